"""Runs one rule through one day and counts. The card, the exporter and the pod are played; the gate is the real one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from .day import DAY_SECONDS, Day, clock

if TYPE_CHECKING:
    from collections.abc import Iterator

#: seconds: one step of the replay, between two scrapes, until the pod runs, until it is loaded, until its VRAM is free
STEP, SCRAPE, START, LOAD, STOP = 5, 15, 20, 60, 10
#: a ready tenant takes its peak for 2 of 5 minutes
BUSY, CYCLE = 120, 300


@dataclass(frozen=True)
class Seen:
    """What a rule is told: the second, the last scrape's second and sizes in MiB by name, and its own pod."""

    second: int
    scraped: int
    held: dict[str, int]
    own_mib: int
    replicas: int
    pods: int
    ready: bool


class Rule(Protocol):
    """What is replayed: asked every step, it returns the replicas that it wants, None for no word."""

    name: str

    def look(self, seen: Seen) -> int | None: ...


@dataclass
class Pod:
    """The gated tenant's life: starting, loading, ready, leaving."""

    replicas: int = 0
    started: int | None = None
    stopped: int | None = None
    held: int = 0

    def scale(self, replicas: int, second: int) -> None:
        if replicas and not self.replicas:
            self.started, self.stopped = second, None
        elif self.replicas and not replicas:
            self.started, self.stopped = None, second
        self.replicas = replicas

    def ready(self, second: int) -> bool:
        return self.started is not None and second >= self.started + START + LOAD

    def there(self, second: int) -> bool:
        return self.started is not None or (self.stopped is not None and second < self.stopped + STOP)

    def wants(self, second: int, resting: int, peak: int) -> int:
        """Return the MiB that it holds; it keeps what it has until it is gone."""
        if self.started is not None:
            part = min(1.0, max(0.0, (second - self.started - START) / LOAD))
            busy = part == 1 and (second - self.started) % CYCLE < BUSY
            self.held = peak if busy else round(resting * part)
        elif not self.there(second):
            self.held = 0
        return self.held


@dataclass
class Score:
    """What counts: minutes with less than nothing free, minutes ready in the window, and changes of replicas."""

    rule: str
    unsafe: set[int] = field(default_factory=set)
    useful_seconds: int = 0
    transitions: int = 0
    worst_free_mib: int = 0

    @property
    def unsafe_minutes(self) -> int:
        return len(self.unsafe)

    @property
    def useful_minutes(self) -> float:
        return self.useful_seconds / 60


def replay(day: Day, rule: Rule) -> Score:
    """Return the score of one rule on one day, midnight to midnight."""
    score, pod = Score(rule.name, worst_free_mib=day.usable_mib), Pod()
    scraped, seen_held, seen_own = 0, {resident.name: resident.wants(0) for resident in day.residents}, 0
    first, last = clock(day.window["start"]), clock(day.window["end"])
    for second in steps():
        own = pod.wants(second, day.own.resting_mib, day.own.peak_mib)
        free = day.usable_mib - day.others(second) - own
        score.worst_free_mib = min(score.worst_free_mib, free)
        # Where nobody of ours holds anything, an overfull card is not a rule's doing.
        if free < 0 and own:
            score.unsafe.add(second // 60)
        if pod.ready(second) and first <= second < last and free >= 0:
            score.useful_seconds += STEP
        if second % SCRAPE == 0:
            scraped, seen_own = second, own
            seen_held = {resident.name: resident.wants(second) for resident in day.residents}
        seen = Seen(second, scraped, seen_held, seen_own, pod.replicas, int(pod.there(second)), pod.ready(second))
        wanted = rule.look(seen)
        if wanted is not None and wanted != pod.replicas:
            score.transitions += 1
            pod.scale(wanted, second)
    return score


def steps() -> Iterator[int]:
    return iter(range(0, DAY_SECONDS, STEP))
