"""The collection as a user has it: built, installed in an empty path, used from an empty folder.

A test that needs the local cluster asks for `installed` and gives `play` its addresses:
`installed.play(playbook, env={"KUBECONFIG": …})`; nothing of the checkout is in reach there.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.checks import artifact
from dev.setup.common import VENV


@dataclass(frozen=True)
class Installed:
    """An installed collection, and the empty folder that its user stands in."""

    tarball: Path
    collection: Path
    folder: Path

    def run(self, *command: str | Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the virtual environment with no settings but the collections path."""
        own = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collection.parents[2]),
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "ANSIBLE_PYTHON_INTERPRETER": str(VENV / "bin" / "python"),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{VENV / 'bin'}{os.pathsep}{os.defpath}",
        }
        # Not below pytest's folder: ansible-core 2.21 listens on a socket in TMPDIR, of at most 107 characters.
        with tempfile.TemporaryDirectory() as tmp:
            env = {**own, "TMPDIR": tmp, **(env or {})}
            return subprocess.run(command, cwd=self.folder, env=env, check=False, capture_output=True, text=True)

    def play(
        self, playbook: str, *options: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook: the name of one in the collection, or the text of one."""
        if "\n" in playbook:
            path = self.folder / "play.yml"
            path.write_text(playbook)
            playbook = path.name
        return self.run("ansible-playbook", playbook, *options, env=env)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("packaging")
    tarball = artifact.build(place / "dist")
    folder = place / "elsewhere"
    folder.mkdir()
    return Installed(tarball, artifact.install(tarball, place / "tree"), folder)
