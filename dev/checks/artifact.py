"""The collection as users get it: built into a tarball, installed from it beside kubernetes.core."""

from __future__ import annotations

import shutil
from pathlib import Path

from dev.setup.common import COLLECTIONS, ROOT, VENV, Command, run


def build(into: Path) -> Path:
    """Build the collection and return the tarball."""
    into.mkdir(parents=True, exist_ok=True)
    galaxy = VENV / "bin" / "ansible-galaxy"
    run([galaxy, "collection", "build", "--force", "--output-path", into, ROOT], "the collection could not be built")
    (tarball,) = into.glob("sharedgpu-voice-*.tar.gz")
    return tarball


def install(tarball: Path, path: Path) -> Path:
    """Install the tarball into an empty collections path, its dependency beside it, and return where it lies."""
    shutil.rmtree(path, ignore_errors=True)
    core = path / "ansible_collections" / "kubernetes" / "core"
    shutil.copytree(COLLECTIONS / "ansible_collections" / "kubernetes" / "core", core)
    galaxy = VENV / "bin" / "ansible-galaxy"
    env = {"ANSIBLE_COLLECTIONS_PATH": str(path)}
    command: Command = [galaxy, "collection", "install", "--offline", "-p", path, tarball]
    run(command, "the built collection could not be installed", env=env)
    return path / "ansible_collections" / "sharedgpu" / "voice"


def fresh(name: str) -> Path:
    """Build and install under build/NAME, and return where the collection lies."""
    place = ROOT / "build" / name
    shutil.rmtree(place, ignore_errors=True)
    return install(build(place / "dist"), place / "tree")
