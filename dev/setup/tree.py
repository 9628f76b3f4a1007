"""The tree .collections/ansible_collections: kubernetes.core, and this checkout as sharedgpu.voice."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from .common import COLLECTIONS, LOCKS, VENV, Command, SetupError, Stamp, digest, run, say, step
from .tools import download

VERSION = "6.6.0"
# The bundle whose wheel carries that version, for machines that reach a package index but not Ansible Galaxy.
BUNDLE = LOCKS / "ansible.txt"
TREE = COLLECTIONS / "ansible_collections"
GALAXY_SECONDS = 30


def provide() -> None:
    own = TREE / "sharedgpu" / "voice"
    own.parent.mkdir(parents=True, exist_ok=True)
    if not own.is_symlink():
        own.symlink_to("../../..")
    stamp = Stamp(COLLECTIONS / "stamp", digest(BUNDLE, VERSION))
    if stamp.fresh():
        return
    with step(f"installing kubernetes.core {VERSION}"):
        staging = COLLECTIONS / "staging"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir()
        try:
            _from_galaxy(staging)
        except SetupError:
            say("Ansible Galaxy did not answer; taking it from the ansible package instead")
            _from_bundle(staging)
        _move(staging / "ansible_collections" / "kubernetes" / "core", TREE / "kubernetes" / "core")
        shutil.rmtree(staging)
        stamp.write()


def _from_galaxy(staging: Path) -> None:
    command: Command = [
        VENV / "bin" / "ansible-galaxy",
        "collection",
        "install",
        "--no-deps",
        f"kubernetes.core:=={VERSION}",
    ]
    env = {"ANSIBLE_COLLECTIONS_PATH": str(staging)}
    run([*command, "-p", staging], "Ansible Galaxy did not answer", env=env, timeout=GALAXY_SECONDS)


def _from_bundle(staging: Path) -> None:
    download(BUNDLE, staging)
    (wheel,) = staging.glob("*.whl")
    with zipfile.ZipFile(wheel) as bundle:
        wanted = [name for name in bundle.namelist() if name.startswith("ansible_collections/kubernetes/core/")]
        bundle.extractall(staging, wanted)


def _move(new: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    new.rename(place)
