"""A local cluster for tests, driven by its command line as a user would."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

CHECKOUT = Path(__file__).parents[2]
T = TypeVar("T")


@dataclass(frozen=True)
class LocalCluster:
    """Where a running cluster lies and answers."""

    root: Path

    @property
    def environ(self) -> dict[str, str]:
        """Return the assignments of its env file."""
        words = shlex.split((self.root / "env").read_text(encoding="utf-8"))
        return dict(word.split("=", 1) for word in words if "=" in word)

    @property
    def kubeconfig(self) -> Path:
        return Path(self.environ["KUBECONFIG"])

    @property
    def prometheus_url(self) -> str:
        return self.environ["PROMETHEUS_URL"]

    @property
    def card_url(self) -> str:
        return self.environ["CARD_URL"]


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run one command of `python -m dev.cluster` for the cluster of this folder."""
    name, *rest = arguments
    return subprocess.run(
        [sys.executable, "-m", "dev.cluster", name, "--dir", str(root), *rest],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def bring_up(root: Path, *arguments: str) -> LocalCluster:
    """Start (or mend) a cluster; its own words are in the failure."""
    done = command(root, "up", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return LocalCluster(root)


@contextmanager
def running(root: Path) -> Iterator[LocalCluster]:
    """Give a cluster in this folder that is gone afterwards."""
    try:
        yield bring_up(root)
    finally:
        command(root, "down")


def wait_for(condition: Callable[[], T], *, what: str, within: float = 90.0, every: float = 0.05) -> T:
    """Return the first true answer; the failure names what was waited for and the last answer."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {within:.0f} s in vain for {what}; the last answer: {answer!r}"
        time.sleep(every)
