# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From samples to cards: what each exporter says of a card, put together and held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Optional

from .errors import CONTRADICTION, Problem, one_line
from .plausible import TOLERANCE, UNTOLD_RESERVE, implausible_total, in_bytes, not_a_number
from .profiles import FREE, MODEL_LABELS, NODE_LABELS, RESERVED, TOTAL, USED, Profile
from .quantity import format_size
from .samples import Sample


@dataclass(frozen=True)
class MeasuredCard:
    """One card as one profile measures it; sizes in bytes, None where the profile does not know."""

    uuid: str
    profile: str
    used: int
    free: Optional[int]
    reserved: Optional[int]
    total: Optional[int]
    #: the total holds the driver's share (else it is only what the tenants and the free part add up to)
    whole: bool
    nodes: tuple[str, ...]
    model: str
    #: it says that nothing is used, as it also does where it could not read the card
    doubtful: bool = False
    samples: tuple[Sample, ...] = ()
    problems: tuple[Problem, ...] = ()
    age: Optional[float] = None


def same_uuid(uuid: str) -> str:
    """Return the UUID in the form in which two exporters' can be compared."""
    return uuid.lower().removeprefix("gpu-")


@dataclass
class _Facts:
    """The samples of one card by fact, while they are collected."""

    uuid: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def bytes_of(self, fact: str, profile: Profile, problems: list[Problem]) -> Optional[int]:
        """Return the fact in bytes: of copies, the largest of what is taken and the smallest of what is there."""
        values = []
        for sample in self.samples.get(fact, []):
            value = in_bytes(sample.value, profile.unit_bytes)
            if value is None:
                problems.append(not_a_number(f"{one_line(sample.metric)} of card {one_line(self.uuid)}", sample.value))
            else:
                values.append(value)
        if not values:
            return None
        return max(values) if fact in (USED, RESERVED) else min(values)

    def labels(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the values that the card's series carry under ``names``, each once."""
        found = (sample.labels.get(name) for samples in self.samples.values() for sample in samples for name in names)
        return tuple(dict.fromkeys(value for value in found if value))


def measured_cards(profile: Profile, samples: Iterable[Sample]) -> tuple[tuple[MeasuredCard, ...], tuple[Problem, ...]]:
    """Return the cards that ``profile`` knows, and the problems of series that cannot be given to any card."""
    if not profile.card or profile.uuid_label is None:
        return (), ()
    facts: dict[str, _Facts] = {}
    problems = []
    models = {}
    for sample in samples:
        fact = next((fact for fact, metric in profile.card.items() if profile.matches(metric, sample.metric)), None)
        uuid = sample.labels.get(profile.uuid_label)
        if fact is None:
            if sample.metric == profile.info and uuid:
                models[same_uuid(uuid)] = next(
                    (sample.labels[name] for name in MODEL_LABELS if sample.labels.get(name)), ""
                )
            continue
        if not uuid:
            problems.append(
                Problem(
                    "missing_label",
                    f"{one_line(sample.metric)} has no label {profile.uuid_label} to tell the card by: "
                    "look at the relabelling",
                )
            )
            continue
        facts.setdefault(same_uuid(uuid), _Facts(uuid)).samples.setdefault(fact, []).append(sample)
    cards = (_card(profile, known, models.get(key, "")) for key, known in facts.items())
    return tuple(cards), tuple(problems)


def _card(profile: Profile, facts: _Facts, model: str) -> MeasuredCard:
    problems: list[Problem] = []
    used, free, reserved, total = (facts.bytes_of(fact, profile, problems) for fact in (USED, FREE, RESERVED, TOTAL))
    if USED not in facts.samples:
        problems.append(
            Problem(
                "missing_metric",
                f"{profile.card[USED]} is not there for card {one_line(facts.uuid)}: look at the exporter's metrics",
            )
        )
    used = used or 0
    whole = total is not None or reserved is not None
    if total is None and free is not None:
        total = used + free + (reserved or 0)
    elif total is not None and free is None:
        free = max(0, total - used - (reserved or 0))
    elif total is not None and free is not None and reserved is None:
        reserved = max(0, total - used - free)
    problems.extend(_implausible(f"{profile.name} for card {one_line(facts.uuid)}", used, free, reserved, total))
    return MeasuredCard(
        uuid=facts.uuid,
        profile=profile.name,
        used=used,
        free=free,
        reserved=reserved,
        total=total,
        whole=whole,
        nodes=facts.labels(NODE_LABELS),
        model=model or next(iter(facts.labels(MODEL_LABELS)), ""),
        doubtful=profile.zero_is_doubtful and used == 0,
        samples=tuple(sample for samples in facts.samples.values() for sample in samples),
        problems=tuple(problems),
    )


def _implausible(
    source: str, used: int, free: Optional[int], reserved: Optional[int], total: Optional[int]
) -> Iterable[Problem]:
    if total is None:
        return
    wrong = implausible_total(source, total)
    if wrong:
        yield wrong
        return
    parts = used + (free or 0) + (reserved or 0)
    if used > total or abs(total - parts) > TOLERANCE:
        yield Problem(
            CONTRADICTION,
            f"{source}: used {format_size(used)} + free {format_size(free or 0)} + "
            f"reserved {format_size(reserved or 0)} "
            f"is not the total of {format_size(total)}: look at the exporter",
        )


def merged_cards(measured: Sequence[MeasuredCard]) -> tuple[MeasuredCard, ...]:
    """Return each card once, by its most trusted profile; profiles that disagree are a problem of the card."""
    cards: dict[str, list[MeasuredCard]] = {}
    for card in sorted(measured, key=lambda card: (card.total is None, card.reserved is None)):
        cards.setdefault(same_uuid(card.uuid), []).append(card)
    return tuple(_merged(views) for views in cards.values())


def _merged(views: Sequence[MeasuredCard]) -> MeasuredCard:
    first = views[0]
    problems = [problem for view in views for problem in view.problems]
    if all(view.doubtful for view in views):
        problems.append(
            Problem(
                "not_a_size",
                f"{first.profile} says that nothing of card {one_line(first.uuid)} is used, as it also does where it "
                "cannot read the card: have another exporter measure it",
            )
        )
    for other in views[1:]:
        # NVML's older call counts the driver's share as used, so two honest exporters may differ by it.
        slack = TOLERANCE + max((view.reserved for view in (first, other) if view.reserved), default=UNTOLD_RESERVE)
        for fact, ours, theirs in (("used", first.used, other.used), ("total", first.total, other.total)):
            if ours is not None and theirs is not None and abs(ours - theirs) > slack:
                problems.append(
                    Problem(
                        CONTRADICTION,
                        f"card {one_line(first.uuid)}: {fact} is {format_size(ours)} for {first.profile}, "
                        f"{format_size(theirs)} for {other.profile}: one of the two exporters is wrong or old; "
                        "run this again, and look at both if it stays",
                    )
                )
    return replace(
        first,
        nodes=tuple(dict.fromkeys(node for view in views for node in view.nodes)),
        model=next((view.model for view in views if view.model), ""),
        samples=tuple(sample for view in views for sample in view.samples),
        problems=tuple(problems),
    )
