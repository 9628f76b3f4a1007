"""`python -m dev.demo`: the main job on the local cluster, and what stands then; with `--unsafe` its refusal."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from .night import closing, opening
from .stages import Failed, play, start
from .standing import held, standing
from .story import Story, night
from .timeline import table
from .words import AFTER_REFUSAL, AFTER_SITE, NIGHT

UNSAFE_FLOOR = "4Gi"


class Clock:
    """Says what begins, and at the end how long each stage took."""

    def __init__(self, stages: int) -> None:
        self._stages = stages
        self._took: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done in the block."""
        print(f"\n=== {len(self._took) + 1}/{self._stages} {name}", flush=True)
        begin = time.monotonic()
        yield
        self._took[name] = time.monotonic() - begin

    def summary(self) -> str:
        """Return a line with every stage."""
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in [*self._took.items(), ("all", self._total)])

    @property
    def _total(self) -> float:
        return sum(self._took.values())


def demo() -> None:
    """Deploy all of it, show what stands and what the card holds, and play a night of the gate."""
    clock = Clock(5)
    with clock.stage("local cluster"):
        local = start()
        story = Story(local)
        story.begin_anew()
    with clock.stage("site.yml"):
        print("The window of text to speech is opened at once: no demo lasts until the night.")
        play(local, "site.yml", *opening(story.began)).must_succeed()
    with clock.stage("what stands"):
        print(f"{standing(local)}\n\n{held(local)}")
    with clock.stage("a night of the gate"):
        print(NIGHT)
        night(story, lambda: play(local, "site.yml", "--tags", "gate", *closing(datetime.now(UTC))).must_succeed())
    with clock.stage("the timeline"):
        print(f"The gate's lines and their numbers are its Events, as the API server has them.\n{table(story.rows)}")
    print(f"\n{AFTER_SITE}\n\n{clock.summary()}")


def demo_unsafe() -> None:
    """Show that the same play refuses a floor that is too low, before anything is touched."""
    clock = Clock(3)
    with clock.stage("local cluster"):
        local = start()
        before = local.snapshot()
    with clock.stage(f"site.yml with a floor of {UNSAFE_FLOOR}"):
        play(local, "site.yml", "-e", f"demo_tts_floor={UNSAFE_FLOOR}").must_refuse("UNSAFE (floor_below_need)")
    with clock.stage("what was touched"):
        local.must_equal(before)
        print(f"Nothing: all {len(before)} objects in the cluster are what they were.")
    print(f"\n{AFTER_REFUSAL}\n\n{clock.summary()}")


def main(argv: list[str]) -> int:
    """Run one of them; the exit status is 0 when it went as it should."""
    parser = argparse.ArgumentParser(prog="python -m dev.demo", description=__doc__)
    parser.add_argument("--unsafe", action="store_true", help="show the refusal")
    run: Callable[[], None] = demo_unsafe if parser.parse_args(argv).unsafe else demo
    try:
        run()
    except Failed as failure:
        print(f"\nThe demo failed: {failure}")
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make cluster-down` stops the cluster")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
