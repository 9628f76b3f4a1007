"""Runs ansible-playbook against the local cluster as a user would, and reads what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
_CALLBACKS = Path(__file__).parent / "callback_plugins"
_TIMEOUT = 240.0


@dataclass(frozen=True)
class Run:
    """One finished run of ansible-playbook."""

    rc: int
    stdout: str
    stderr: str
    stats: Mapping[str, Mapping[str, int]]
    """By host: ok, changed, failures, skipped, unreachable, rescued, ignored. Empty where no play was reached."""
    tasks: Sequence[Mapping[str, Any]]
    """In order, each with name, action, host, outcome (ok, changed, failed, ignored, skipped) and result."""

    @property
    def changed(self) -> int:
        """Return the number of changed tasks over all hosts."""
        return sum(host["changed"] for host in self.stats.values())

    def task(self, name: str) -> Mapping[str, Any]:
        """Return the only task that has this in its name."""
        found = [task for task in self.tasks if name in task["name"]]
        assert len(found) == 1, f"{len(found)} tasks have {name!r} in their name: {[t['name'] for t in self.tasks]}"
        return found[0]

    def ok(self) -> Run:
        """Return this run, after making sure that it succeeded."""
        assert self.rc == 0, f"ansible-playbook ended with {self.rc}\n{self.stdout}\n{self.stderr}"
        return self


class Playbooks:
    """Runs playbooks in an environment of their own: nothing of the caller's Ansible settings takes part."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._runs = 0

    def __call__(
        self,
        playbook: str | Path | Sequence[Mapping[str, Any]],
        *arguments: str,
        inventory: str | Path = "localhost,",
        variables: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Run:
        """Run a playbook: a path below the checkout, or the plays themselves."""
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir(parents=True)
        if not isinstance(playbook, (str, Path)):
            path = folder / "playbook.yml"
            path.write_text(yaml.safe_dump(list(playbook), sort_keys=False, allow_unicode=True), encoding="utf-8")
            playbook = path
        extra = folder / "variables.json"
        extra.write_text(json.dumps(dict(variables or {})), encoding="utf-8")
        command = [str(Path(sys.executable).with_name("ansible-playbook")), str(playbook), "-i", str(inventory)]
        # Not below pytest's folder: ansible-core 2.21 listens on a socket in TMPDIR, of at most 107 characters.
        with tempfile.TemporaryDirectory() as tmp:
            done = subprocess.run(
                [*command, "-e", f"@{extra}", *arguments],
                cwd=CHECKOUT,
                env=self._environment(folder) | {"TMPDIR": tmp} | dict(environ or {}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_TIMEOUT,
                check=False,
            )
        return _read(folder / "results.json", done)

    def _environment(self, folder: Path) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
        return {
            "LANG": "C.UTF-8",
            **kept,
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "results",
            "ANSIBLE_NOCOLOR": "1",
            "TEST_RESULTS_FILE": str(folder / "results.json"),
            **self._environ,
        }


def _read(results: Path, done: subprocess.CompletedProcess[str]) -> Run:
    body = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {"stats": {}, "tasks": []}
    return Run(done.returncode, done.stdout, done.stderr, body["stats"], body["tasks"])
