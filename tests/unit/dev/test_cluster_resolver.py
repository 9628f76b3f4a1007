"""The resolver against a real HTTP server that plays the official site."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dev.cluster.catalog import TOOLS, Download, GoSource, Tool
from dev.cluster.download import Downloader
from dev.cluster.errors import ClusterError
from dev.cluster.gobuild import GoBuilder
from dev.cluster.progress import Progress
from dev.cluster.resolver import Resolver, cache_folder, platform_key


def program(version: str, *, code: int = 0) -> bytes:
    return f"#!/bin/sh\necho 'tool version v{version}'\nexit {code}\n".encode()


class Site:
    """Serves what a test puts into `pages`; anything else is a 404."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                body = site.pages.get(self.path)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    running.close()


class Machine:
    """A machine with its own PATH, cache and Go; collects the lines that a person would see."""

    def __init__(self, folder: Path) -> None:
        self.assets, self.path = folder / "assets", folder / "path"
        for place in (self.assets, self.path):
            place.mkdir()
        self.lines = io.StringIO()
        self.environ = {
            "PATH": str(self.path),
            "KUBEBUILDER_ASSETS": str(self.assets),
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        self.cache = cache_folder(self.environ)
        self.modules = folder / "go"
        self.go: str | None = None

    def put(self, place: Path, content: bytes) -> Path:
        place.mkdir(parents=True, exist_ok=True)
        path = place / "tool"
        path.write_bytes(content)
        path.chmod(0o755)
        return path

    def resolver(self, *, interval: float = 60.0) -> Resolver:
        progress = Progress(self.lines, interval=interval)
        builder = GoBuilder(progress, modules=self.modules, go=self.go)
        return Resolver(progress, Downloader(), builder, environ=self.environ)

    def installed(self) -> list[str]:
        return sorted(path.name for path in self.cache.glob("*") if not path.name.endswith(".lock"))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def tool(site: Site) -> Tool:
    """A tool that the site serves with a published checksum."""
    url = f"{site.url}/v{{version}}/{{os}}/{{arch}}/tool"
    system, arch = platform_key().split("-")
    site.pages[f"/v1.36.3/{system}/{arch}/tool"] = program("1.36.3")
    site.pages[f"/v1.36.3/{system}/{arch}/tool.sha256"] = hashlib.sha256(program("1.36.3")).hexdigest().encode()
    return Tool(
        name="tool",
        version="1.36.3",
        at_least=(1, 36, 0),
        below=(1, 37, 0),
        download=Download(url=url, checksum_url=f"{url}.sha256"),
        go=GoSource("module", "example.invalid/tool"),
    )


INSTALLED = [f"tool-1.36.3-{platform_key()}"]


@pytest.mark.parametrize("version", ["1.36.0", "1.36.9"])
def test_environment_comes_before_the_path(machine: Machine, tool: Tool, version: str) -> None:
    wanted = machine.put(machine.assets, program(version))
    machine.put(machine.path, program("1.36.3"))
    found = machine.resolver().resolve(tool)
    assert (found.path, found.origin) == (wanted, "KUBEBUILDER_ASSETS")


@pytest.mark.parametrize("unfit", [program("1.35.9"), program("1.37.0"), program("1.36.3", code=1), b"#!/bin/sh\n"])
def test_unfit_program_on_the_path_is_skipped_and_named(machine: Machine, tool: Tool, site: Site, unfit: bytes) -> None:
    path = machine.put(machine.path, unfit)
    assert machine.resolver().resolve(tool).origin == "download"
    assert f"skipping {path}" in machine.lines.getvalue()
    assert site.asked


def test_cache_is_used_without_the_network(machine: Machine, tool: Tool, site: Site) -> None:
    assert machine.resolver().resolve(tool).origin == "download"
    site.asked.clear()
    found = machine.resolver().resolve(tool)
    assert (found.origin, site.asked) == ("cache", [])
    assert found.path.read_bytes() == program("1.36.3")
    assert os.access(found.path, os.X_OK)


def test_wrong_checksum_is_refused_and_nothing_is_installed(machine: Machine, tool: Tool) -> None:
    forged = replace(tool, download=replace(tool.download, digests={platform_key(): "0" * 64}))
    with pytest.raises(ClusterError, match=r"has SHA-256 [0-9a-f]{64}, expected 0{64}: refused"):
        machine.resolver().resolve(forged)
    assert machine.installed() == []


def test_page_instead_of_a_checksum_is_refused(machine: Machine, tool: Tool, site: Site) -> None:
    for path in [path for path in site.pages if path.endswith(".sha256")]:
        site.pages[path] = b"<html>please log in</html>"
    with pytest.raises(ClusterError, match="does not hold a SHA-256"):
        machine.resolver().resolve(tool)
    assert machine.installed() == []


def test_program_that_is_another_version_is_not_installed(machine: Machine, tool: Tool, site: Site) -> None:
    other = program("1.35.1")
    for path in list(site.pages):
        site.pages[path] = hashlib.sha256(other).hexdigest().encode() if path.endswith(".sha256") else other
    with pytest.raises(ClusterError, match=r"calls itself 1\.35\.1"):
        machine.resolver().resolve(tool)
    assert machine.installed() == []


def test_member_of_an_archive_is_installed(machine: Machine, tool: Tool, site: Site) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        member = tarfile.TarInfo("tool-1.36.3/bin/tool")
        member.size = len(program("1.36.3"))
        tar.addfile(member, io.BytesIO(program("1.36.3")))
    site.pages["/tool.tar.gz"] = packed.getvalue()
    digests = {platform_key(): hashlib.sha256(packed.getvalue()).hexdigest()}
    download = Download(f"{site.url}/tool.tar.gz", member="tool-{version}/bin/tool", digests=digests)
    assert machine.resolver().resolve(replace(tool, download=download)).path.read_bytes() == program("1.36.3")
    assert machine.installed() == INSTALLED


def fake_go(machine: Machine, script: str) -> None:
    """Put a `go` here whose sixth argument is the output file, as ours calls it."""
    (machine.modules / "module").mkdir(parents=True)
    go = machine.modules / "go"
    go.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    go.chmod(0o755)
    machine.go = str(go)


def test_go_build_follows_when_the_site_is_out_of_reach(machine: Machine, tool: Tool, site: Site) -> None:
    site.close()
    fake_go(machine, 'test "$CGO_ENABLED" = 0 && printf "#!/bin/sh\\necho tool v1.36.3\\n" > "$6"')
    found = machine.resolver().resolve(tool)
    assert found.origin == "Go build"
    assert machine.installed() == INSTALLED
    assert "cannot be reached" in machine.lines.getvalue()


def test_long_build_shows_that_it_lives(machine: Machine, tool: Tool) -> None:
    unknown = replace(tool, download=Download("http://127.0.0.1:9/none", digests={platform_key(): "0" * 64}))
    fake_go(machine, 'sleep 0.4; printf "#!/bin/sh\\necho tool v1.36.3\\n" > "$6"')
    machine.resolver(interval=0.1).resolve(unknown)
    assert machine.lines.getvalue().count("still at it after") >= 2


def test_failure_names_every_way_and_the_remedy(machine: Machine, tool: Tool, site: Site) -> None:
    site.pages.clear()
    fake_go(machine, "echo 'go: no required module provides it' >&2; exit 1")
    with pytest.raises(ClusterError) as failure:
        machine.resolver().resolve(tool)
    text = str(failure.value)
    for part in ("answers 404", "no required module provides it", "install Go", "KUBEBUILDER_ASSETS"):
        assert part in text
    assert machine.installed() == []


def test_interrupted_build_leaves_no_program(machine: Machine, tool: Tool, site: Site) -> None:
    site.pages.clear()
    fake_go(machine, 'printf "#!/bin/sh\\n" > "$6"; exit 2')
    with pytest.raises(ClusterError):
        machine.resolver().resolve(tool)
    assert machine.installed() == []


def test_two_set_ups_at_once_install_once(machine: Machine, tool: Tool, site: Site) -> None:
    origins: list[str] = []
    threads = [
        threading.Thread(target=lambda: origins.append(machine.resolver().resolve(tool).origin)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(origins) == ["cache", "cache", "cache", "download"]
    assert sum(not path.endswith(".sha256") for path in site.asked) == 1


def test_host_that_did_not_answer_is_asked_once(machine: Machine, tool: Tool, site: Site) -> None:
    site.close()
    downloader = Downloader()
    for _ in range(2):
        with pytest.raises(ClusterError, match="cannot be reached"):
            downloader.fetch(tool, platform_key(), machine.path / "tool")
    assert site.asked == []


@pytest.mark.parametrize("name", sorted(TOOLS))
def test_catalog_is_whole(name: str) -> None:
    entry = TOOLS[name]
    major, minor, patch = map(int, entry.version.split("."))
    assert entry.fits((major, minor, patch))
    assert entry.download.url.startswith("https://")
    for platform in ("linux-amd64", "linux-arm64"):
        digest = entry.download.digests.get(platform)
        assert entry.download.checksum_url or (digest and len(digest) == 64)
