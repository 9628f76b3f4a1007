"""The stages: start the cluster, run a playbook as a user would, compare what was with what is."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kubernetes.dynamic import DynamicClient

from .snapshot import changes, connect, snapshot

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / ".cluster"


class Failed(Exception):
    """Says what did not go as it should, and where to look."""


@dataclass(frozen=True)
class Local:
    """The running cluster."""

    environ: dict[str, str]
    """KUBECONFIG, PROMETHEUS_URL and CARD_URL."""

    @property
    def kubeconfig(self) -> Path:
        return Path(self.environ["KUBECONFIG"])

    @cached_property
    def kube(self) -> DynamicClient:
        return connect(self.kubeconfig, CLUSTER / "tmp" / "discovery.json")

    def snapshot(self) -> dict[str, str]:
        """Return the versions of all objects."""
        return snapshot(self.kube)

    def must_equal(self, before: dict[str, str]) -> None:
        """Fail if an object came, went or changed since."""
        touched = changes(before, self.snapshot())
        if touched:
            raise Failed("the refused play touched something:\n" + "\n".join(touched))


@dataclass(frozen=True)
class Played:
    """A finished run of ansible-playbook that the user has read."""

    playbook: str
    status: int
    output: str

    def must_succeed(self) -> None:
        """Fail unless every task was well."""
        if self.status:
            raise Failed(f"{self.playbook} ended with status {self.status}; its last task above says why")

    def must_refuse(self, reason: str) -> None:
        """Fail unless the play failed for this reason."""
        if self.status == 0:
            raise Failed(f"{self.playbook} accepted what it must refuse: {reason}")
        if reason not in self.output:
            raise Failed(f"{self.playbook} ended with status {self.status}, but not for the reason {reason!r}")


def start() -> Local:
    """Start the cluster, or mend it."""
    if subprocess.run([sys.executable, "-m", "dev.cluster", "up"], cwd=ROOT, check=False).returncode:
        raise Failed("the local cluster did not start; the lines above say why")
    words = shlex.split((CLUSTER / "env").read_text(encoding="utf-8"))
    return Local(dict(word.split("=", 1) for word in words if "=" in word))


def _shown() -> dict[str, str]:
    """Return how Ansible shows its work: what it skips is no news, and it cannot see whether a person looks at it."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return {"ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false", **({"ANSIBLE_FORCE_COLOR": "1"} if colour else {})}


def play(local: Local, playbook: str, *arguments: str) -> Played:
    """Run a playbook on the demo's inventory; the user reads along."""
    command = ["ansible-playbook", "-i", "inventories/demo", f"playbooks/{playbook}", *arguments]
    print(f"$ {shlex.join(command)}", flush=True)
    lines = []
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **_shown(), **local.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        for line in running.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    return Played(playbook, running.returncode, "".join(lines))
