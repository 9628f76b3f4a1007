"""What a benchmark brings: times, ratios of their medians, and goals that are met or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

AT_MOST = "at most"
AT_LEAST = "at least"


class BenchError(Exception):
    """A run that does not do what is measured has no time; the text says what went wrong."""


@dataclass(frozen=True)
class Series:
    """The times of one variant in one case, in the order of the runs (seconds)."""

    case: str
    variant: str
    seconds: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.seconds or min(self.seconds) < 0:
            raise BenchError(f"{self.case}, {self.variant}: {self.seconds} are no times")

    @property
    def median(self) -> float:
        """Return the median in seconds."""
        return median(self.seconds)


@dataclass(frozen=True)
class Ratio:
    """A quotient of medians from the same run."""

    case: str
    name: str
    value: float


@dataclass(frozen=True)
class Goal:
    """A figure that was promised; `measured` is None where it could not be measured, which is not met either."""

    text: str
    sense: str
    limit: float
    measured: float | None
    unit: str = ""

    def __post_init__(self) -> None:
        if self.sense not in (AT_MOST, AT_LEAST):
            raise ValueError(f"{self.sense!r} is neither {AT_MOST!r} nor {AT_LEAST!r}")

    @property
    def met(self) -> bool:
        """Tell whether the figure is what was promised."""
        if self.measured is None:
            return False
        return self.measured <= self.limit if self.sense == AT_MOST else self.measured >= self.limit


@dataclass(frozen=True)
class Table:
    """Figures that are no times, as they are shown."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.header) for row in self.rows):
            raise ValueError(f"not every row has {len(self.header)} cells: {self.rows}")


@dataclass(frozen=True)
class Run:
    """When and on what was measured, and whether in full."""

    date: str
    quick: bool
    machine: Mapping[str, str]


@dataclass
class Outcome:
    """All that one benchmark brings, while it is collected."""

    name: str
    title: str
    series: list[Series] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    took: float = 0.0
    """Seconds for all of it, preparations included."""
    run: Run | None = None
    """The run that it is from, where that is not the one of the others."""

    def median(self, case: str, *variants: str) -> float | None:
        """Return the sum of the medians of these variants, None where one of them was not measured."""
        known = {(series.case, series.variant): series.median for series in self.series}
        found = [known.get((case, variant)) for variant in variants]
        values = [value for value in found if value is not None]
        return sum(values) if len(values) == len(found) else None

    def ratio(self, case: str, name: str, above: str, *below: str) -> float | None:
        """Note and return median(above) / sum of median(below); None where one of them was not measured."""
        top, bottom = self.median(case, above), self.median(case, *below)
        if top is None or not bottom:
            return None
        self.ratios.append(Ratio(case, name, top / bottom))
        return top / bottom


@dataclass(frozen=True)
class Results:
    """What came out of one run of the benchmarks, and what is kept of others."""

    run: Run
    outcomes: Sequence[Outcome]

    @property
    def goals(self) -> Iterator[Goal]:
        """Return the goals of all benchmarks."""
        return (goal for outcome in self.outcomes for goal in outcome.goals)

    def with_new(self, other: Results, order: Sequence[str]) -> Results:
        """Return these results with the outcomes of another run in place of those of the same name."""
        outcomes = {outcome.name: outcome for outcome in self.outcomes}
        for outcome in other.outcomes:
            run = outcome.run or other.run
            outcomes[outcome.name] = replace(outcome, run=None if run == self.run else run)
        known = [name for name in order if name in outcomes]
        return Results(self.run, [outcomes[name] for name in (*known, *(set(outcomes) - set(known)))])
