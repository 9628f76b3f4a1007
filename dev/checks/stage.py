"""What the stages share: run a list of checks, and show what failed."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from dev.setup.common import ROOT, Command, run

SILENT = 30.0
"""Seconds after which a check that shows nothing is named."""


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
        said = f"\n{done.stdout}" if done.stdout and not passed else ""
        print(f"{self.name:<24} {time.monotonic() - begin:6.1f} s {verdict}{said}", flush=True)
        return passed


def run_all(*lanes: Sequence[Check]) -> int:
    """Run every check, so that one run shows all that is wrong; return the exit status.

    Lanes go side by side, the checks of a lane one after the other. Whoever shows nothing is said to be at it.
    """
    began: dict[str, float] = {}
    with ThreadPoolExecutor(len(lanes)) as pool:
        results = [pool.submit(_failed, lane, began) for lane in lanes]
        while wait(results, timeout=SILENT).not_done:
            going = [f"{name} ({time.monotonic() - at:.0f} s)" for name, at in list(began.items())]
            if going:
                print(f"still at it: {', '.join(going)}", flush=True)
    failed = [name for result in results for name in result.result()]
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _failed(lane: Sequence[Check], began: dict[str, float]) -> list[str]:
    """Run a lane and return the names of what failed; ``began`` has what runs silently, and since when."""
    failed = []
    for check in lane:
        if not check.shown:
            began[check.name] = time.monotonic()
        if not check.passes():
            failed.append(check.name)
        began.pop(check.name, None)
    return failed


def files(*patterns: str) -> list[Path]:
    """Return the files of the checkout that match git's patterns: tracked ones, and new ones that git would take."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    names = run(listing, "git could not list the files of this checkout").split("\0")
    return [Path(name) for name in sorted(names) if name and (ROOT / name).is_file()]
