"""playbooks/build_chatterbox_image.yml with a stand-in builder that records its calls, and a real git repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLAYBOOK = ROOT / "playbooks/build_chatterbox_image.yml"
IMAGE = "registry.example.org/team/chatterbox-tts-server"
DIGEST = "sha256:" + "5f" * 32

BUILDER = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$1" in
  info) [ -z "$BROKEN" ] || { echo "Cannot connect to the Docker daemon at unix:///x.sock."; exit 1; } ;;
  manifest) [ -n "$PUSHED" ] ;;
  build) cat Dockerfile.cu128 >> "$CALLS" ;;
  push) case "$2" in
      --digestfile=*) echo "$DIGEST" > "${2#--digestfile=}" ;;
      *) echo "t: digest: $DIGEST size: 1" ;;
    esac ;;
esac
"""


@pytest.fixture
def upstream(tmp_path: Path) -> tuple[Path, str]:
    """A repository with two commits, and the id of the first."""
    path = tmp_path / "upstream"
    path.mkdir()
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    git("config", "uploadpack.allowAnySHA1InWant", "true")
    for content in ("pinned", "newer"):
        (path / "Dockerfile.cu128").write_text(f"# {content}\n")
        git("add", ".")
        git("commit", "--quiet", "-m", content)
    return path, git("rev-parse", "HEAD~1")


class Machine:
    """A machine with these builders on its PATH; `calls` is what they were asked."""

    def __init__(self, tmp_path: Path, builders: list[str]) -> None:
        self.home = tmp_path / "home"
        self.record = tmp_path / "calls"
        tools = tmp_path / "bin"
        for folder in (self.home, self.home / "tmp", tools):
            folder.mkdir()
        for name in builders:
            (tools / name).write_text(BUILDER)
            (tools / name).chmod(0o755)
        # Not the directories that hold these: a developer's machine may have a real podman there.
        for name in ("sh", "cat", "mkdir", "rm", "chmod", "sleep", "git", "git-upload-pack"):
            (tools / name).symlink_to(shutil.which(name) or name)
        self.environment = {
            "PATH": str(tools),
            "HOME": str(self.home),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_HOME": str(self.home),
            "ANSIBLE_REMOTE_TEMP": str(self.home / "tmp"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "CALLS": str(self.record),
            "DIGEST": DIGEST,
        }

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ansible", "playbook", str(PLAYBOOK), *arguments]
        # Not below pytest's folder: ansible-core 2.21 listens on a socket in TMPDIR, of at most 107 characters.
        with tempfile.TemporaryDirectory() as tmp:
            environment = self.environment | {"TMPDIR": tmp} | environment
            return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)

    @property
    def calls(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []


def variables(upstream: tuple[Path, str]) -> list[str]:
    path, revision = upstream
    return [
        "-e",
        f"chatterbox_image={IMAGE} chatterbox_image_repository=file://{path} chatterbox_image_revision={revision}",
    ]


@pytest.mark.parametrize("builder", ["podman", "docker"])
def test_it_builds_the_pinned_revision_and_shows_the_digest(
    builder: str, tmp_path: Path, upstream: tuple[Path, str]
) -> None:
    machine = Machine(tmp_path, [builder])
    result = machine.run(*variables(upstream))
    assert result.returncode == 0, result.stdout + result.stderr
    revision = upstream[1]
    reference = f"{IMAGE}:cu128-{revision[:12]}"
    label = f"--label=org.opencontainers.image.revision={revision}"
    assert machine.calls[:4] == [
        "info",
        f"manifest inspect {reference}",
        f"build --file=Dockerfile.cu128 {label} --tag={reference} .",
        "# pinned",
    ]
    assert machine.calls[4].startswith("push ")
    assert machine.calls[4].endswith(f" {reference}")
    assert re.search(rf'tts_chatterbox_image_digest"?: "?{DIGEST}', result.stdout), result.stdout
    assert list((machine.home / "tmp").glob("chatterbox-image.*")) == []


def test_what_is_pushed_is_not_built_again(tmp_path: Path, upstream: tuple[Path, str]) -> None:
    machine = Machine(tmp_path, ["podman"])
    result = machine.run(*variables(upstream), PUSHED="yes")
    assert result.returncode == 0, result.stdout + result.stderr
    assert [call.split()[0] for call in machine.calls] == ["info", "manifest"]
    assert "changed=0" in result.stdout


def test_check_mode_builds_nothing(tmp_path: Path, upstream: tuple[Path, str]) -> None:
    machine = Machine(tmp_path, ["podman"])
    result = machine.run("--check", *variables(upstream))
    assert result.returncode == 0, result.stdout + result.stderr
    assert [call.split()[0] for call in machine.calls] == ["info", "manifest"]
    assert "would be built" in result.stdout


REFUSALS: list[tuple[str, list[str], str, dict[str, str], str]] = [
    ("no_builder", [], f"chatterbox_image={IMAGE}", {}, "Neither podman nor docker is on the PATH"),
    ("no_service", ["docker"], f"chatterbox_image={IMAGE}", {"BROKEN": "1"}, "Cannot connect to the Docker daemon"),
    ("no_name", ["podman"], "x=y", {}, "chatterbox_image: '' is not registry and name"),
    ("name_with_tag", ["podman"], f"chatterbox_image={IMAGE}:1", {}, "write it without a tag"),
    (
        "branch",
        ["podman"],
        f"chatterbox_image={IMAGE} chatterbox_image_revision=main",
        {},
        "'main' is no full commit id",
    ),
]


@pytest.mark.parametrize(
    ("builders", "variable", "environment", "words"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_it_refuses(
    builders: list[str], variable: str, environment: dict[str, str], words: str, tmp_path: Path
) -> None:
    machine = Machine(tmp_path, builders)
    result = machine.run("-e", variable, **environment)
    assert result.returncode == 2, result.stdout
    assert words in " ".join((result.stdout + result.stderr).split())
    assert "Nothing was changed" in result.stdout + result.stderr
    assert all(call == "info" for call in machine.calls)


def test_a_failed_build_leaves_no_sources_behind(tmp_path: Path, upstream: tuple[Path, str]) -> None:
    machine = Machine(tmp_path, ["podman"])
    builder = Path(machine.environment["PATH"]) / "podman"
    builder.write_text(BUILDER.replace("build) cat", "build) exit 1; cat"))
    result = machine.run(*variables(upstream))
    assert result.returncode == 2
    assert list((machine.home / "tmp").glob("chatterbox-image.*")) == []
    assert not any(call.startswith("push") for call in machine.calls)
