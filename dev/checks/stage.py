"""What the stages share: run a list of checks, and show what failed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dev.setup.common import ROOT, Command, run


@dataclass(frozen=True)
class Check:
    """One program to run; it passes with status 0."""

    name: str
    command: Command
    cwd: Path = ROOT
    env: Mapping[str, str] = field(default_factory=dict)
    # Shown while it runs: for what takes long. Else it is shown only when it fails.
    shown: bool = False
    # What its output must contain: for programs that pass when they found nothing to do.
    expected: str = ""

    def passes(self) -> bool:
        """Run it, print a line with its verdict and time, and all that it said if it failed."""
        begin = time.monotonic()
        done = subprocess.run(
            [str(part) for part in self.command],
            check=False,
            cwd=self.cwd,
            env={**os.environ, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=None if self.shown else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        passed = done.returncode == 0 and self.expected in (done.stdout or "")
        verdict = "passed" if passed else f"FAILED ({done.returncode})"
        print(f"{self.name:<24} {time.monotonic() - begin:6.1f} s {verdict}", flush=True)
        if done.stdout and not passed:
            print(done.stdout)
        return passed


def run_all(checks: list[Check]) -> int:
    """Run every check, so that one run shows all that is wrong; return the exit status."""
    failed = [check.name for check in checks if not check.passes()]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def files(*patterns: str) -> list[Path]:
    """Return the files of the checkout that match git's patterns: tracked ones, and new ones that git would take."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = run(listing, "git could not list the files of this checkout").split("\0")
    return [Path(name) for name in sorted(names) if name and (ROOT / name).is_file()]
