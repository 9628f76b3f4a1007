"""The local cluster: start, start of one that runs already, stop."""

from __future__ import annotations

from dev.bench.model import Outcome, Series
from dev.bench.temporary import Workshop, cluster

CASE = "programs in the cache"


def bench(shop: Workshop) -> Outcome:
    """Measure rounds of up, up and down in a folder of its own."""
    outcome = Outcome("cluster", "The local cluster")
    folder = shop.folder / "only-cluster"
    steps = {"up": "up", "up when it runs": "up", "down": "down"}
    times: dict[str, list[float]] = {step: [] for step in steps}
    try:
        for _round in range(1 if shop.quick else 3):
            for step, command in steps.items():
                times[step].append(cluster(folder, command))
                shop.progress.say(f"{step}: {times[step][-1]:.2f} s")
    finally:
        cluster(folder, "down")
    outcome.series = [Series(CASE, step, tuple(seconds)) for step, seconds in times.items()]
    return outcome
