"""The card with its state: who was seen, what was changed, who lies. The only place with a lock and a clock."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .exporters import EXPORTERS
from .exporters.faults import KEPT_FAULTS
from .fields import Fields, ScenarioError
from .load import Override
from .parse import parse_settings
from .pods import Ledger, forget, observe
from .simulate import CardState, Overrides, simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .exporters.settings import Settings
    from .pods import Pod
    from .scenario import Scenario, Workload

_KEEP_GONE_SECONDS = 24 * 3600


@dataclass(slots=True)
class Speaker:
    """One exporter at work: its settings, how it lies, and its last look at the card."""

    settings: Settings
    fault: str = "none"
    slow_seconds: float = 0.0
    cards: tuple[CardState, ...] = ()
    sampled_at: float | None = None


@dataclass(frozen=True, slots=True)
class Page:
    fault: str
    slow_seconds: float
    content_type: str
    body: str


@dataclass(slots=True)
class Watch:
    """How the list of pods goes: `listed_at` is the last success, `error` what stands against the next."""

    enabled: bool = False
    listed_at: float | None = None
    error: str | None = None


@dataclass(slots=True)
class _State:
    ledger: Ledger = field(default_factory=dict)
    overrides: Overrides = field(default_factory=Overrides)
    speakers: dict[str, Speaker] = field(default_factory=dict)


class Machine:
    """Thread-safe: the watcher tells it pods, the control changes it, scrapes read it."""

    def __init__(self, scenario: Scenario, clock: Callable[[], float] = time.time) -> None:
        self.scenario = scenario
        self.watch = Watch()
        self._clock = clock
        self._booted_at = clock()
        self._lock = threading.RLock()
        self._state = _State(speakers=self._speakers())

    def observe(self, pods: Iterable[Pod]) -> None:
        with self._lock:
            now = self._clock()
            self._state.ledger = observe(forget(self._state.ledger, now - _KEEP_GONE_SECONDS), pods, now)

    def cards(self) -> tuple[CardState, ...]:
        with self._lock:
            state = self._state
            return simulate(self.scenario, self._booted_at, state.ledger, state.overrides, self._clock())

    def workloads(self) -> dict[str, Workload]:
        """All that is there now, by name."""
        with self._lock:
            overrides = self._state.overrides
            kept = [workload for workload in self.scenario.workloads if workload.name not in overrides.removed]
            return {workload.name: workload for workload in (*kept, *(added for added, _ in overrides.added))}

    def speakers(self) -> dict[str, Speaker]:
        with self._lock:
            return {name: replace(speaker) for name, speaker in self._state.speakers.items()}

    def page(self, exporter: str, query: dict[str, Any]) -> Page:
        """What the exporter says now; `query` overrides its settings for this scrape. Raises `ScenarioError`."""
        kind = EXPORTERS[exporter]
        with self._lock:
            speaker = self._state.speakers[exporter]
            settings = parse_settings(speaker.settings, Fields(query, "query"))
            sampled_at = self._sample(speaker)
            body = kind.page(speaker.cards, settings, speaker.fault, sampled_at)
            return Page(speaker.fault, speaker.slow_seconds, kind.content_type, body)

    def change_workload(self, name: str, change: Callable[[Override, float], Override]) -> None:
        with self._lock:
            overrides = self._state.overrides
            changed = change(overrides.of.get(name, Override()), self._clock())
            self._state.overrides = replace(overrides, of={**overrides.of, name: changed})

    def add(self, workload: Workload) -> None:
        with self._lock:
            if workload.name in self.workloads():
                raise ScenarioError("add.name", workload.name, "is there already; remove it first")
            overrides = self._state.overrides
            self._state.overrides = replace(overrides, added=(*overrides.added, (workload, self._clock())))

    def remove(self, name: str) -> None:
        """Take the workload away, with what was changed of it."""
        with self._lock:
            overrides = self._state.overrides
            self._state.overrides = Overrides(
                of={other: override for other, override in overrides.of.items() if other != name},
                added=tuple((workload, since) for workload, since in overrides.added if workload.name != name),
                removed=overrides.removed | {name},
            )

    def configure(self, exporter: str, entry: Fields) -> None:
        with self._lock:
            speaker = self._state.speakers[exporter]
            speaker.settings = parse_settings(speaker.settings, entry)

    def set_fault(self, exporter: str, fault: str, slow_seconds: float) -> None:
        """Set the fault; one that stops the exporter from looking at the card has it look once more before."""
        with self._lock:
            speaker = self._state.speakers[exporter]
            if fault in KEPT_FAULTS:
                speaker.sampled_at = None
                self._sample(speaker)
            speaker.fault, speaker.slow_seconds = fault, slow_seconds

    def reset(self) -> None:
        """Scenario and exporters as at the start; the pods of the API server stay known."""
        with self._lock:
            self._booted_at = self._clock()
            self._state = _State(ledger=self._state.ledger, speakers=self._speakers())

    def now(self) -> float:
        return self._clock()

    def _speakers(self) -> dict[str, Speaker]:
        return {name: Speaker(settings) for name, settings in self.scenario.exporters.items()}

    def _sample(self, speaker: Speaker) -> float:
        now = self._clock()
        at = speaker.sampled_at
        due = at is None or now >= at + speaker.settings.interval_seconds
        if at is None or (due and speaker.fault not in KEPT_FAULTS):
            speaker.cards, speaker.sampled_at, at = self.cards(), now, now
        return at
