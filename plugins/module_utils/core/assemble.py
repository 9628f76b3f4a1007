# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts cards, holdings and peaks together into a reading of the plan's cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from .cards import MeasuredCard
from .declared import Plan
from .errors import CONTRADICTION, Problem
from .matching import Match, match_cards, owner, place, tenant_cards
from .peaks import Peaks
from .plausible import TOLERANCE
from .quantity import format_size
from .reading import DECLARED, MEASURED, CardReading, Reading, Resident
from .residents import NOBODY, Holding
from .tally import Tally


def assemble(plan: Plan, measured: Sequence[MeasuredCard], found: Sequence[Holding], peaks: Peaks) -> Reading:
    """Return the reading; problems are those of the plan's own cards only."""
    matches, problems = match_cards(plan, measured)
    chosen = tenant_cards(plan, matches)
    residents = _residents(plan, matches, measured, found, peaks, chosen)
    used = {match.name: sum(r.used_bytes for r in residents if r.card == match.name) for match in matches}
    cards = tuple(_card(match, used[match.name]) for match in matches)
    doubts = [
        replace(problem, card=match.name) for match in matches if match.measured for problem in match.measured.problems
    ]
    doubts.extend(_contradictions(matches, cards, used))
    if residents and not measured:
        doubts.extend(_unseen(matches, residents))
    everybody = (*residents, *_unnamed(matches, used))
    uuids = {match.name: match.measured.uuid if match.measured else None for match in matches}
    tally = Tally(plan, everybody, peaks, uuids, chosen)
    return Reading(
        cards=cards,
        residents=everybody,
        observed=tally.observed(),
        others=tally.others(),
        unclear=tally.unclear(),
        tenant_cards=chosen,
        covered_seconds=peaks.covered_seconds,
        problems=(*problems, *doubts),
        notes=tally.notes(),
    )


def _residents(
    plan: Plan,
    matches: Sequence[Match],
    measured: Sequence[MeasuredCard],
    found: Sequence[Holding],
    peaks: Peaks,
    chosen: Mapping[str, str],
) -> tuple[Resident, ...]:
    claims = plan.claims()
    residents = []
    for holding in found:
        tenant = owner(claims, holding.namespace, holding.pod)
        ours, card = place(holding, chosen.get(tenant or ""), matches, measured)
        if not ours:
            continue
        # A pod is nobody's for its first minute: the peak of nobody would count it twice.
        peak = 0 if holding.namespace in NOBODY else peaks.of_pod(holding.uuid, holding.namespace, holding.pod)
        residents.append(Resident(card, tenant, holding.namespace, holding.pod, holding.used, max(peak, holding.used)))
    return tuple(sorted(residents, key=lambda r: (r.card or "", r.tenant or "~", r.namespace, r.pod)))


def _card(match: Match, held: int) -> CardReading:
    declared = match.declared.total_bytes if match.declared else None
    node = match.declared.node if match.declared else None
    card = match.measured
    if card is None or card.total is None:
        used = max(held, card.used if card else 0)
        total = declared or 0
        reserved = card.reserved if card else None
        return CardReading(
            name=match.name,
            uuid=card.uuid if card else None,
            node=node or (next(iter(card.nodes), None) if card else None),
            model=card.model if card else "",
            total_bytes=total,
            used_bytes=used,
            free_bytes=max(0, total - used - (reserved or 0)),
            reserved_bytes=reserved,
            age_seconds=card.age if card else None,
            profile=card.profile if card else None,
            total_source=DECLARED,
            declared_bytes=declared,
        )
    total = card.total if declared is None else min(declared, card.total)
    return CardReading(
        name=match.name,
        uuid=card.uuid,
        node=node or next(iter(card.nodes), None),
        model=card.model,
        total_bytes=total,
        used_bytes=card.used,
        free_bytes=max(0, min(card.free or 0, total - card.used - (card.reserved or 0))),
        reserved_bytes=card.reserved,
        age_seconds=card.age,
        profile=card.profile,
        total_source=MEASURED,
        declared_bytes=declared,
        measured_bytes=card.total,
        whole=card.whole,
    )


def _unnamed(matches: Sequence[Match], held: Mapping[str, int]) -> tuple[Resident, ...]:
    """Return what the cards say is used beyond what their pods hold: somebody's, so nobody's."""
    rest = []
    for match in matches:
        unnamed = match.measured.used - held[match.name] if match.measured else 0
        if unnamed > TOLERANCE:
            rest.append(Resident(match.name, None, "", "", unnamed, unnamed))
    return tuple(rest)


def _unseen(matches: Sequence[Match], residents: Sequence[Resident]) -> Iterator[Problem]:
    """Yield each card of which nobody says anything while others are heard of: idle and unseen look the same."""
    for match in matches:
        if all(resident.card not in (match.name, None) for resident in residents):
            yield Problem(
                "source_silent",
                f"card {match.name}: nobody measures it, and no series names a resident of it; look at the exporter of "
                "its node, or scrape one that knows the card itself",
                match.name,
            )


def _contradictions(
    matches: Sequence[Match], cards: Sequence[CardReading], held: Mapping[str, int]
) -> tuple[Problem, ...]:
    problems = []
    for match, card in zip(matches, cards):
        if match.measured and match.measured.problems:
            continue
        if match.measured and held[card.name] > match.measured.used + TOLERANCE:
            problems.append(
                Problem(
                    CONTRADICTION,
                    f"card {card.name}: its pods hold {format_size(held[card.name])} together, but "
                    f"{match.measured.profile} says that only "
                    f"{format_size(match.measured.used)} are used: one of the two exporters is wrong or old; "
                    "run this again, and look at both if it stays",
                    card.name,
                )
            )
        elif card.used_bytes > card.total_bytes > 0:
            problems.append(
                Problem(
                    CONTRADICTION,
                    f"card {card.name}: {format_size(card.used_bytes)} are used of a total of "
                    f"{format_size(card.total_bytes)}: "
                    "correct the card's total, or look at the exporter",
                    card.name,
                )
            )
    return tuple(problems)
