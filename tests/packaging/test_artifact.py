"""The tarball holds the product, and the product works without the checkout."""

from __future__ import annotations

import json
import tarfile

import pytest
import yaml

from dev.setup.common import ROOT
from tests.packaging.conftest import Installed

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
ROLES = sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml"))
# Every entry point of a role is a task file.
ENTRIES = [
    (role, entry)
    for role in ROLES
    for entry in yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
]

TOP = {
    "CHANGELOG.md",
    "CHANGELOG.rst",
    "FILES.json",
    "LICENSE",
    "MANIFEST.json",
    "README.md",
    "changelogs",
    "docs",
    "inventories",
    "meta",
    "playbooks",
    "plugins",
    "roles",
    "tests",
}
OPTIONAL = {"docs", "inventories"}


def test_tarball_holds_the_product_only(installed: Installed) -> None:
    with tarfile.open(installed.tarball) as tar:
        names = [name.removeprefix("./") for name in tar.getnames()]
    top = {name.split("/")[0] for name in names}
    assert top <= TOP
    assert top >= TOP - OPTIONAL
    tests = {name for name in names if name.startswith("tests/") and name.count("/") == 1}
    assert tests == {"tests/config.yml", "tests/sanity"}
    assert [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".tar.gz"))] == []
    assert not any(name.startswith("inventories/demo") for name in names)


def test_manifest_says_what_a_user_must_know(installed: Installed) -> None:
    info = json.loads((installed.collection / "MANIFEST.json").read_text())["collection_info"]
    assert info["dependencies"] == {"kubernetes.core": ">=6.2.0"}
    assert info["license"] == ["GPL-3.0-or-later"]
    versions = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())["releases"]
    assert info["version"] in versions


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbooks_are_found_by_name(installed: Installed, playbook: str) -> None:
    done = installed.play(f"sharedgpu.voice.{playbook}", "--syntax-check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("role", "entry"), ENTRIES)
def test_roles_load(installed: Installed, role: str, entry: str) -> None:
    # import_role reads the role's files before anything runs, so a missing or broken one is seen without a cluster.
    play = f"""\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.import_role:
        name: sharedgpu.voice.{role}
        tasks_from: {entry}
"""
    done = installed.play(play, "--syntax-check")
    assert done.returncode == 0, done.stderr


def test_filters_run(installed: Installed) -> None:
    play = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.assert:
        that: ('1.5Gi' | sharedgpu.voice.size_to_bytes) == 1536 * 1024 * 1024
"""
    done = installed.play(play)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["module", "filter", "role"])
def test_every_plugin_is_documented(installed: Installed, kind: str) -> None:
    done = installed.run("ansible-doc", "-t", kind, "--json", "--list", "sharedgpu.voice")
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert set(listed) == {f"sharedgpu.voice.{name}" for name in expected(kind)}
    shown = installed.run("ansible-doc", "-t", kind, "--json", *listed)
    assert shown.returncode == 0, shown.stderr
    assert set(json.loads(shown.stdout)) == set(listed)


def expected(kind: str) -> list[str]:
    if kind == "role":
        return ROLES
    if kind == "module":
        return [path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")]
    return [path.stem for path in (ROOT / "plugins" / "filter").glob("*.yml")]
