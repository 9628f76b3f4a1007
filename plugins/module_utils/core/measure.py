# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One measurement: three questions to a metrics store, and a reading made of the answers.

The port is passed in and no clock is read: ages are counted from the store's own evaluation time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from .assemble import assemble
from .cards import MeasuredCard, measured_cards, merged_cards
from .declared import Plan
from .errors import Problem, QueryError, one_line
from .options import Options
from .peaks import Peaks, Source, history_query, parse_peaks
from .plausible import TOLERANCE
from .profiles import RESIDENT_ORDER, WORKLOAD_LABELS, Profile, chosen
from .quantity import format_size
from .queries import current
from .queries import facts as facts_query
from .reading import Reading
from .residents import Holding, believable, holdings, process, workload
from .samples import PromQuery, Sample, parse_vector
from .trust import Facts, answered_before, fallen_silent, nothing, parse_facts, stale, unhealthy, unreachable, vanished


@dataclass(frozen=True)
class Now:
    """What the first two questions brought."""

    cards: tuple[MeasuredCard, ...]
    holdings: tuple[Holding, ...]
    source: Optional[Source]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    #: cards that were there minutes ago, of no interest to a plan that names its cards
    vanished: tuple[Problem, ...] = ()


def measure(port: PromQuery, plan: Plan, options: Options, now: Optional[float] = None) -> Reading:
    """Return the reading for a verdict on the whole plan: that of :func:`measure_cards`, trusted as a whole or not."""
    return measure_cards(port, plan, options, now).trusted()


def measure_cards(port: PromQuery, plan: Plan, options: Options, now: Optional[float] = None) -> Reading:
    """Return the reading of the plan's cards; what keeps it from being trusted is in its ``problems``, never raised.

    ``now`` (Unix seconds) is the caller's clock: with it, an answer that a cache kept is told from one of now.
    A card has no numbers where a problem speaks against it (:meth:`~.reading.Reading.by_card`).
    Raises :class:`~.errors.InputError` where the plan does not fit what was found (several cards and no ``card``).
    """
    profiles = chosen(options.profile)
    try:
        samples = parse_vector(port.query(current(profiles), time=None, lookback_delta=options.max_age))
        metrics = sorted({sample.metric for sample in samples})
        at = samples[0].at if samples else None
        answer = port.query(facts_query(profiles, metrics), time=at, lookback_delta=options.max_age)
        seen = look(profiles, samples, parse_facts(profiles, parse_vector(answer)), options.max_age)
        kept = answered_before(at, now, options.max_age)
        seen = replace(seen, problems=(*kept, *seen.problems))
        peaks = _peaks(port, plan, options, seen, profiles, at)
    except QueryError as error:
        return Reading(problems=(Problem(error.code, error.message),), lookback_seconds=options.lookback)
    reading = assemble(plan, seen.cards, seen.holdings, peaks)
    return replace(
        reading,
        lookback_seconds=options.lookback,
        problems=(*seen.problems, *(() if plan.cards else seen.vanished), *reading.problems),
        notes=(*seen.notes, *reading.notes),
    ).by_card()


def look(profiles: Sequence[Profile], samples: Sequence[Sample], facts: Facts, max_age: int) -> Now:
    """Return the cards and holdings in ``samples``, and every reason to doubt them."""
    problems: list[Problem] = []
    cards: list[MeasuredCard] = []
    for profile in profiles:
        found, wrong = measured_cards(profile, samples)
        cards.extend(found)
        problems.extend(wrong)
    by_target: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        by_target.setdefault(sample.target, []).append(sample)
    merged = tuple(_dated(card, profiles, by_target, facts, max_age) for card in merged_cards(cards))
    held, source, notes, doubts = _residents(profiles, samples, facts, merged)
    problems.extend(doubts)
    if source:
        problems.extend(stale([sample for sample in samples if sample.metric in source.metrics], facts, max_age))
    if not merged and not problems:
        problems.extend(_no_card(profiles, held, facts))
    lost = vanished(profiles, (card.uuid for card in merged), facts) if merged else ()
    return Now(merged, held, source, tuple(problems), notes, lost)


def _dated(
    card: MeasuredCard,
    profiles: Sequence[Profile],
    by_target: Mapping[tuple[str, str], Sequence[Sample]],
    facts: Facts,
    max_age: int,
) -> MeasuredCard:
    """Return the card with the age of its oldest sample, and what speaks against its samples and their targets."""
    targets = dict.fromkeys(sample.target for sample in card.samples)
    near = [sample for target in targets for sample in by_target[target]]
    doubts = [
        *stale(card.samples, facts, max_age),
        *(doubt for profile in profiles for doubt in unhealthy(profile, near, max_age)),
    ]
    ages = [age for age in map(facts.age, card.samples) if age is not None]
    return replace(card, age=max(ages, default=None), problems=(*card.problems, *doubts))


def _no_card(profiles: Sequence[Profile], held: Sequence[Holding], facts: Facts) -> tuple[Problem, ...]:
    known = {metric for profile in profiles for metric in profile.card.values()}
    silent = fallen_silent(profiles, known, facts)
    if silent and held:
        return (
            Problem(
                "source_silent",
                f"{', '.join(silent)} told of a card minutes ago and is silent now: look at its exporter",
            ),
        )
    return () if held else (nothing(profiles, facts),)


def _residents(
    profiles: Sequence[Profile], samples: Sequence[Sample], facts: Facts, cards: Sequence[MeasuredCard]
) -> tuple[tuple[Holding, ...], Optional[Source], tuple[str, ...], tuple[Problem, ...]]:
    """Return the holdings of the first source that can tell pods apart, the source, notes, and doubts."""
    notes: list[str] = []
    for name in RESIDENT_ORDER:
        profile = next((profile for profile in profiles if profile.name == name), None)
        series = [s for s in samples if profile and profile.resident and profile.matches(profile.resident, s.metric)]
        if profile is None or not series:
            continue
        found, doubts = holdings(profile, series, facts.targets)
        if profile.copies and not doubts:
            own = believable(found, cards)
            copied = tuple(dict.fromkeys(one_line(holding.uuid or "") for holding in found if holding not in own))
            if copied:
                notes.append(
                    f"{profile.name} cannot tell its pods' use from that of the card {', '.join(copied)}: "
                    "all of it counts as others'"
                )
                kept = {holding.uuid for holding in own}
                series = [sample for sample in series if sample.labels.get(profile.uuid_label or "") in kept]
            found = own
        if found or doubts:
            source = _source(profile, series, facts, only=bool(notes))
            return found, source, tuple(notes), (*doubts, *unreachable(profile, facts))
    return (), None, tuple(notes), _busy_but_nameless(profiles, facts, cards)


def _source(profile: Profile, series: Sequence[Sample], facts: Facts, *, only: bool) -> Source:
    """Return the source of these series; with ``only``, nothing is to be asked about other cards."""
    uuids = {sample.labels.get(profile.uuid_label or "", "") for sample in series} - {""}
    owners = [workload(sample, facts.targets.get(sample.target, {})) for sample in series]
    scraped = {facts.targets.get(sample.target, {}).get("pod", "") for sample in series} - {""}
    processes = {(owner, process(profile, sample, owner)) for owner, sample in zip(owners, series)}
    return Source(
        profile,
        metrics=tuple(sorted({sample.metric for sample in series})),
        labels=tuple(pair for pair in WORKLOAD_LABELS if any(owner and owner.labels == pair for owner in owners)),
        scraped_pods=tuple(sorted(scraped)),
        uuids=tuple(sorted(uuids)) if only else (),
        series=len(series),
        twins=profile.copies or len(processes) < len(series),
    )


def _busy_but_nameless(profiles: Sequence[Profile], facts: Facts, cards: Sequence[MeasuredCard]) -> tuple[Problem, ...]:
    """Return the contradiction of a card in use while the source that named residents minutes ago names nobody."""
    named = {profile.resident for profile in profiles if profile.resident and not profile.copies}
    silent = fallen_silent(profiles, named, facts)
    busy = [card for card in cards if card.used > TOLERANCE]
    if not silent or not busy:
        return ()
    use = ", ".join(f"card {card.uuid} is used by {format_size(card.used)}" for card in busy)
    return (
        Problem(
            "source_silent",
            f"{use}, but {', '.join(silent)} named residents minutes ago and names nobody now: look at its exporter",
        ),
    )


def _peaks(
    port: PromQuery, plan: Plan, options: Options, now: Now, profiles: Sequence[Profile], at: Optional[float]
) -> Peaks:
    sources = (now.source,) if now.source else _usual_sources(profiles)
    if options.lookback == 0 or not sources or now.problems:
        return Peaks()
    body = port.query(history_query(sources, plan.claims(), options.lookback), time=at, lookback_delta=None)
    return parse_peaks(sources, parse_vector(body))


def _usual_sources(profiles: Sequence[Profile]) -> tuple[Source, ...]:
    """Return where peaks may be found when nobody holds anything now: the sources that need no live verification."""
    usual = (profile for name in RESIDENT_ORDER for profile in profiles if profile.name == name and not profile.copies)
    return tuple(Source(profile, (profile.resident,), ()) for profile in usual if profile.resident)
