"""Interleaved runs (A B C A B C …): whatever disturbs the machine disturbs all variants alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dev.bench.model import Series
from dev.cluster.progress import Progress


@dataclass(frozen=True)
class Variant:
    """One of the ways that are compared: `run` does it once and returns the seconds that it took."""

    name: str
    run: Callable[[int], float]
    """Called with the number of the round, from 0."""
    most: int | None = None
    """Fewer rounds than the others, for what is too slow to be run as often."""


def interleave(case: str, variants: Sequence[Variant], rounds: int, progress: Progress) -> list[Series]:
    """Run every variant once a round, each round beginning with the next one, and return their times."""
    times: dict[str, list[float]] = {variant.name: [] for variant in variants}
    for number in range(rounds):
        first = number % len(variants)
        for variant in [*variants[first:], *variants[:first]]:
            if variant.most is None or number < variant.most:
                times[variant.name].append(variant.run(number))
    found = [Series(case, name, tuple(seconds)) for name, seconds in times.items()]
    said = ", ".join(f"{series.variant} {series.median:.2f} s" for series in found)
    progress.say(f"{case}: {said}")
    return found
