# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How old samples are, whether their targets are up, who has fallen silent: a measurement's second question."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional

from .cards import same_uuid
from .errors import Problem, one_line
from .profiles import Profile
from .quantity import format_duration
from .queries import PART, RECENT, card_labels
from .samples import Sample


@dataclass(frozen=True)
class Facts:
    """What is known about samples beside their values."""

    taken: Mapping[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)
    targets: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    down: frozenset[tuple[str, str]] = frozenset()
    recent: frozenset[str] = frozenset()
    #: who spoke within :data:`queries.RECENT`: metrics by target, and metrics by card
    spoke: frozenset[tuple[str, tuple[str, str]]] = frozenset()
    cards: frozenset[tuple[str, str]] = frozenset()

    def age(self, sample: Sample) -> Optional[float]:
        """Return the sample's age in seconds, None where the store does not tell."""
        taken = self.taken.get(sample.key)
        return None if taken is None else sample.at - taken


def parse_facts(profiles: Iterable[Profile], samples: Iterable[Sample]) -> Facts:
    """Return the facts in the answer to :func:`queries.facts`."""
    taken = {}
    targets = {}
    down = set()
    spoke = set()
    cards: set[tuple[str, str]] = set()
    uuid_labels = card_labels(profiles)
    for sample in samples:
        labels = {key: value for key, value in sample.labels.items() if key != PART}
        part = sample.labels.get(PART, "")
        if part.startswith("at:"):
            taken[(part[3:], frozenset(labels.items()))] = sample.value
        elif part == "up":
            targets[sample.target] = labels
            if sample.value != 1:
                down.add(sample.target)
        elif part == "recent":
            spoke.add((sample.metric, sample.target))
            cards.update((sample.metric, labels[label]) for label in uuid_labels if label in labels)
    recent = frozenset(metric for metric, _target in spoke)
    return Facts(taken, targets, frozenset(down), recent, frozenset(spoke), frozenset(cards))


def stale(samples: Sequence[Sample], facts: Facts, max_age: int) -> tuple[Problem, ...]:
    """Return why ``samples`` are too old to count: their own age, or their target being down."""
    problems = {}
    for sample in samples:
        age = facts.age(sample)
        where = f"{one_line(sample.metric)} from {one_line(sample.target[1] or 'an unnamed target')}"
        if sample.target in facts.down:
            problems[("target_down", where)] = (
                f"{where}: Prometheus cannot scrape that target (up is 0): look at the exporter"
            )
        elif age is None or not math.isfinite(age):
            problems[("age_unknown", where)] = f"{where}: Prometheus does not tell when the sample was taken"
        elif abs(age) > max_age:
            late = f"is {format_duration(age)} old" if age > 0 else f"lies {format_duration(-age)} in the future"
            problems[("stale", where)] = (
                f"{where} {late}, max_age is {format_duration(max_age)}: is the scrape too slow or the exporter stuck?"
            )
    return tuple(Problem(code, message) for (code, _where), message in problems.items())


def answered_before(at: Optional[float], now: Optional[float], max_age: int) -> tuple[Problem, ...]:
    """Return why an answer of the instant ``at`` says nothing of ``now``: somebody kept it, or a clock is wrong."""
    if at is None or now is None or abs(now - at) <= max_age:
        return ()
    side = "before" if at < now else "after"
    return (
        Problem(
            "stale",
            f"the answer is of an instant {format_duration(abs(now - at))} {side} this machine's clock, max_age is "
            f"{format_duration(max_age)}: does a cache answer for Prometheus, or is one of the two clocks wrong?",
        ),
    )


def unreachable(profile: Profile, facts: Facts) -> tuple[Problem, ...]:
    """Return the targets that named residents a short while ago and cannot be scraped now: theirs are not seen."""
    lost = sorted(
        {
            target[1] or "an unnamed target"
            for metric, target in facts.spoke
            if target in facts.down and profile.resident and profile.matches(profile.resident, metric)
        }
    )
    return tuple(
        Problem(
            "target_down", f"{profile.name} at {one_line(name)} named residents minutes ago and is down: look at it"
        )
        for name in lost
    )


def vanished(profiles: Sequence[Profile], seen: Iterable[str], facts: Facts) -> tuple[Problem, ...]:
    """Return a problem for each card that was there a short while ago and is not among those ``seen`` (UUIDs)."""
    known = {same_uuid(uuid) for uuid in seen}
    lost = sorted(
        {
            uuid
            for metric, uuid in facts.cards
            if same_uuid(uuid) not in known and any(p.matches(m, metric) for p in profiles for m in p.card.values())
        }
    )
    return tuple(
        Problem("card_missing", f"card {one_line(uuid)} was there minutes ago and is gone: look at it and its exporter")
        for uuid in lost
    )


def unhealthy(profile: Profile, samples: Iterable[Sample], max_age: int) -> tuple[Problem, ...]:
    """Return what the exporter says against itself: its last collection failed, or was too long ago."""
    problems = []
    for sample in samples:
        if sample.metric == profile.healthy and sample.value != 1:
            problems.append(
                Problem(
                    "collection_failed",
                    f"{sample.metric} from {one_line(sample.target[1])} is {sample.value:g}: "
                    "its last look at the card failed",
                )
            )
        if sample.metric == profile.collected_at and not abs(sample.at - sample.value) <= max_age:
            known = math.isfinite(sample.value)
            age = format_duration(abs(sample.at - sample.value)) if known else "an unknown time"
            problems.append(
                Problem(
                    "stale",
                    f"{sample.metric} from {one_line(sample.target[1])} is {age} away from now: "
                    "the exporter serves old values",
                )
            )
    return tuple(problems)


def nothing(profiles: Sequence[Profile], facts: Facts) -> Problem:
    """Return why there is not one series of a card: nobody ever spoke, or everybody fell silent."""
    names = ", ".join(profile.name for profile in profiles)
    if facts.recent:
        silent = one_line(", ".join(sorted(facts.recent)))
        return Problem(
            "stale",
            f"no fresh series of a card; {silent} spoke within the last {format_duration(RECENT)} and is silent now: "
            "look at the exporter and at Prometheus' targets",
        )
    return Problem(
        "no_series",
        f"not one GPU series of the profiles {names}: is this the Prometheus that scrapes the GPU exporter?",
    )


def fallen_silent(profiles: Sequence[Profile], metrics: Iterable[str], facts: Facts) -> tuple[str, ...]:
    """Return the names among ``metrics`` of ``profiles`` that spoke a short while ago and do not now."""
    wanted = set(metrics)
    return tuple(sorted(name for name in facts.recent if any(p.matches(m, name) for p in profiles for m in wanted)))
