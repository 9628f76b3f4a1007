"""`make demo` on a machine that is set up, and each of its stages."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from dev.bench.model import AT_MOST, BenchError, Goal, Outcome, Series
from dev.bench.running import CHECKOUT, timed
from dev.bench.temporary import Workshop

CASE = "make demo"
_ALL = "the command"
_STAGE = re.compile(r"(?:^|, )(\S.*?) (\d+\.\d) s(?=, |$)")
_RUNNING = CHECKOUT / ".cluster" / "env"


def bench(shop: Workshop) -> Outcome:
    """Measure rounds of `make demo`, each on a new cluster; a cluster that somebody works with is left alone."""
    outcome = Outcome("demo", "make demo, warm: set up, and no cluster yet")
    limit = f"{CASE}, warm"
    if _RUNNING.exists():
        outcome.notes.append(
            "A cluster runs in this checkout: `make demo` was not measured. `make cluster-down` stops it."
        )
        outcome.goals.append(Goal(limit, AT_MOST, 60, None, " s"))
        return outcome
    times: dict[str, list[float]] = {}
    timed(["make", "setup"], _without_venv())
    try:
        for _round in range(1 if shop.quick else 3):
            finished = timed(["make", "demo"], _without_venv())
            for stage, seconds in {_ALL: finished.seconds, **stages(finished.output)}.items():
                times.setdefault(stage, []).append(seconds)
            shop.progress.say(f"{CASE}: {finished.seconds:.1f} s")
            _down()
    finally:
        _down()
    outcome.series = [Series(CASE, stage, tuple(seconds)) for stage, seconds in times.items()]
    outcome.goals.append(Goal(limit, AT_MOST, 60, outcome.median(CASE, _ALL), " s"))
    return outcome


def stages(output: str) -> dict[str, float]:
    """Return the seconds of each stage from the last line of the demo's output: `name 1.0 s, name 2.0 s, all 3.0 s`."""
    lines = output.split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    found = {name: float(seconds) for name, seconds in _STAGE.findall(last)}
    if found.pop("all", None) is None or not found:
        raise BenchError(f"the demo ends in {last!r}, which is no list of its stages")
    return found


def _down() -> None:
    timed([sys.executable, "-m", "dev.cluster", "down"])


def _without_venv() -> dict[str, str]:
    """Return a PATH as a user has it: the set-up must find what it builds on, and not what it built."""
    own = Path(sys.executable).parent
    kept = [entry for entry in os.environ["PATH"].split(os.pathsep) if Path(entry) != own]
    return {"PATH": os.pathsep.join(kept)}
