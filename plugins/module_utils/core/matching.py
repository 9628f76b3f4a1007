# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holds the plan against what was measured: which card is which, and which tenant a pod belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from .cards import MeasuredCard, same_uuid
from .declared import Card, Claim, Plan
from .errors import InputError, Problem, one_line
from .residents import NOBODY, Holding

#: how much of a list of cards a message holds (characters)
_LIST_MAX = 400


@dataclass(frozen=True)
class Match:
    """A card of the plan and its measurement; one of the two may be missing."""

    name: str
    declared: Optional[Card]
    measured: Optional[MeasuredCard]


def match_cards(plan: Plan, measured: Sequence[MeasuredCard]) -> tuple[tuple[Match, ...], tuple[Problem, ...]]:
    """Return the plan's cards with their measurements, or every measured card where the plan declares none."""
    if not plan.cards:
        return _undeclared(plan, measured)
    matches: list[Match] = []
    problems = []
    for card in plan.cards:
        found = _find(card, measured, alone=len(plan.cards) == 1)
        if len(found) > 1:
            uuids = one_line(", ".join(other.uuid for other in found), _LIST_MAX)
            raise InputError(f"cards.{card.name}", card.node, "has several cards", f"say which by uuid: {uuids}")
        if measured and not found:
            problems.append(_missing(card, measured))
        elif card.total_bytes is None and _untold(found):
            problems.append(_no_total(f"declare total for card {card.name}"))
        twin = next((match for match in matches if found and match.measured is found[0]), None)
        if twin:
            remedy = f"it is {one_line(found[0].uuid)} for both: declare it once, or say which is which by uuid"
            raise InputError(f"cards.{card.name}", card.node, f"is the same card as {twin.name}", remedy)
        matches.append(Match(card.name, card, found[0] if found else None))
    return tuple(matches), tuple(problems)


def _untold(found: Sequence[MeasuredCard]) -> bool:
    """Tell whether no exporter knows the total, so that only the plan can."""
    return not found or (found[0].total is None and not found[0].problems)


def _no_total(remedy: str) -> Problem:
    return Problem(
        "no_card",
        f"no exporter tells the memory of a card: {remedy}, or scrape an exporter that knows the card (such as "
        "dcgm-exporter)",
    )


def _undeclared(plan: Plan, measured: Sequence[MeasuredCard]) -> tuple[tuple[Match, ...], tuple[Problem, ...]]:
    names = sorted({tenant.card for tenant in plan.tenants if tenant.card is not None})
    remedy = "declare it under cards, with its total"
    problems = tuple(_no_total(remedy) for card in measured if _untold([card]))
    if len(measured) == 1 and len(names) == 1:
        return (Match(names[0], None, measured[0]),), problems
    if not measured:
        return (), (_no_total(remedy),)
    return tuple(Match(card.uuid, None, card) for card in measured), problems


def _find(card: Card, measured: Sequence[MeasuredCard], *, alone: bool) -> list[MeasuredCard]:
    if card.uuid is not None:
        wanted = same_uuid(card.uuid)
        return [other for other in measured if same_uuid(other.uuid) == wanted]
    if card.node is not None:
        found = [other for other in measured if card.node in other.nodes]
        if found:
            return found
        # An exporter without a node label cannot contradict the plan's only card.
        return [other for other in measured if alone and len(measured) == 1 and not other.nodes]
    return list(measured) if alone else []


def _missing(card: Card, measured: Sequence[MeasuredCard]) -> Problem:
    seen = one_line(
        ", ".join(f"{other.uuid} (node {'/'.join(other.nodes) or 'unknown'})" for other in measured), _LIST_MAX
    )
    wanted = f"uuid {card.uuid}" if card.uuid else f"node {card.node}" if card.node else "neither node nor uuid"
    return Problem(
        "card_missing",
        f"card {card.name} ({wanted}) is not among those measured: {seen}; correct cards or look at its exporter",
    )


def owner(claims: Sequence[Claim], namespace: str, pod: str) -> Optional[str]:
    """Return the tenant that claims the pod; nobody claims what the exporter itself cannot name."""
    if namespace in NOBODY or pod in NOBODY:
        return None
    return next((claim.tenant for claim in claims if claim.covers(namespace, pod)), None)


def tenant_cards(plan: Plan, matches: Sequence[Match]) -> dict[str, str]:
    """Return the card of each tenant by name; several cards and no ``card`` is an error, and so is an unknown card."""
    names = [match.name for match in matches]
    listed = one_line(", ".join(names), _LIST_MAX)
    chosen = {}
    for index, tenant in enumerate(plan.tenants):
        if tenant.card is None and len(names) > 1:
            raise InputError(
                f"tenants[{index}].card",
                None,
                "is missing",
                f"several cards were found, say on which {tenant.name} runs: {listed}",
            )
        if tenant.card is not None and names and tenant.card not in names:
            raise InputError(
                f"tenants[{index}].card",
                tenant.card,
                "was not found",
                f"declare it under cards; measured: {listed}",
            )
        if names:
            chosen[tenant.name] = tenant.card or names[0]
    return chosen


def _is(match: Match, uuid: str) -> bool:
    """Tell whether the card has that UUID; where nobody measures it, the declared one counts."""
    own = match.measured.uuid if match.measured else match.declared.uuid if match.declared else None
    return own is not None and same_uuid(own) == same_uuid(uuid)


def place(
    holding: Holding, card: Optional[str], matches: Sequence[Match], measured: Sequence[MeasuredCard]
) -> tuple[bool, Optional[str]]:
    """Return (is it on one of the plan's cards, on which): None where no one can tell which of several.

    ``card`` is the card that the holding's tenant declares, if it has one.
    """
    if holding.uuid is not None:
        on = [match.name for match in matches if _is(match, holding.uuid)]
        if on:
            return True, on[0]
        if any(same_uuid(other.uuid) == same_uuid(holding.uuid) for other in measured):
            return False, None
    if len(matches) == 1 and len(measured) <= 1:
        return True, matches[0].name
    near = [other for other in measured if set(other.nodes) & set(holding.nodes)]
    on = [match.name for match in matches if len(near) == 1 and match.measured is near[0]]
    if on:
        return True, on[0]
    if card is not None:
        return True, card
    return len(near) != 1, None
