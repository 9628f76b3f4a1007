"""Finds each program: the environment, the PATH, the cache, the official download, the Go build."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dev.cluster.catalog import Tool, Version
from dev.cluster.download import Downloader
from dev.cluster.errors import ClusterError
from dev.cluster.gobuild import GoBuilder
from dev.cluster.locking import exclusive
from dev.cluster.progress import Progress

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class Binary:
    """A program that is ready to run, and where it was found."""

    path: Path
    origin: str


def platform_key() -> str:
    """Name this machine as the official downloads do, such as `linux-amd64`."""
    machine = platform.machine()
    return f"{platform.system().lower()}-{_ARCHITECTURES.get(machine, machine)}"


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return where programs are kept: outside the checkout, so that the next checkout starts at once."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "sharedgpu-voice" / "bin"


def version_of(program: Path) -> Version | None:
    """Ask a program for its version; None where it gives none."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(done.stdout + done.stderr)
    return (int(match[1]), int(match[2]), int(match[3])) if match and done.returncode == 0 else None


class Resolver:
    """Looks for programs in the documented order and installs what is missing into the cache."""

    def __init__(
        self, progress: Progress, downloader: Downloader, builder: GoBuilder, *, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._progress = progress
        self._downloader = downloader
        self._builder = builder
        self._environ = environ
        self._cache = cache_folder(environ)

    def resolve(self, tool: Tool) -> Binary:
        """Return the program; raises ClusterError with every reason and the ways out where there is none."""
        found = self._on_machine(tool) or self._cached(tool)
        if found is not None:
            return found
        with exclusive(self._cache / f".{tool.name}.lock", self._progress, f"installs {tool.name}"):
            return self._cached(tool) or self._install(tool)

    def _on_machine(self, tool: Tool) -> Binary | None:
        assets = self._environ.get("KUBEBUILDER_ASSETS", "")
        places = (("KUBEBUILDER_ASSETS", assets), ("PATH", self._environ.get("PATH", "")))
        for origin, folders in places:
            program = shutil.which(tool.name, path=folders) if folders else None
            if program is None:
                continue
            version = version_of(Path(program))
            if version is not None and tool.fits(version):
                return Binary(Path(program), origin)
            self._progress.say(f"skipping {program}: it is {_shown(version)}, wanted is {tool.version}")
        return None

    def _cached_path(self, tool: Tool) -> Path:
        return self._cache / f"{tool.name}-{tool.version}-{platform_key()}"

    def _cached(self, tool: Tool) -> Binary | None:
        path = self._cached_path(tool)
        return Binary(path, "cache") if os.access(path, os.X_OK) else None

    def _install(self, tool: Tool) -> Binary:
        ways: list[tuple[str, Callable[[Path], None]]] = [
            ("download", lambda path: self._download(tool, path)),
            ("Go build", lambda path: self._builder.build(f"{tool.name} {tool.version}", tool.go, path)),
        ]
        reasons = []
        for origin, way in ways:
            try:
                self._atomically(tool, way)
            except ClusterError as error:
                reasons.append(f"{origin}: {error}")
                self._progress.say(f"{tool.name} {tool.version}: no {origin}: {error}")
                continue
            return Binary(self._cached_path(tool), origin)
        raise ClusterError(
            f"{tool.name} {tool.version} cannot be had ({'; '.join(reasons)}). Give this machine access to the "
            f"official download, or install Go 1.21 or newer (https://go.dev/dl), or put a fitting {tool.name} "
            "on the PATH or into the folder that KUBEBUILDER_ASSETS names."
        )

    def _download(self, tool: Tool, path: Path) -> None:
        with self._progress.working(f"downloading {tool.name} {tool.version}"):
            self._downloader.fetch(tool, platform_key(), path)

    def _atomically(self, tool: Tool, way: Callable[[Path], None]) -> None:
        """Let `way` write beside the final place and move the result there only when it is whole and runs."""
        with tempfile.TemporaryDirectory(prefix=f".{tool.name}-", dir=self._cache) as folder:
            fresh = Path(folder) / tool.name
            way(fresh)
            fresh.chmod(0o755)
            version = version_of(fresh)
            if version is None or not tool.fits(version):
                raise ClusterError(f"the program calls itself {_shown(version)}, not {tool.version}")
            fresh.replace(self._cached_path(tool))


def _shown(version: Version | None) -> str:
    return ".".join(map(str, version)) if version else "of unknown version"
