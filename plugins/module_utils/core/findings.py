# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The eight questions about a plan, answered for every card or tenant that they concern, with numbers in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from .budget import Budget, CardBudget, Floor
from .declared import Plan
from .errors import one_line
from .plausible import UNTOLD_RESERVE
from .quantity import format_size, to_quantity
from .reading import Reading


@dataclass(frozen=True)
class Facts:
    """What the checks look at."""

    plan: Plan
    reading: Reading
    budget: Budget


@dataclass(frozen=True)
class Finding:
    """One subject of a check, a card or a tenant: it fails by ``short_bytes``, and passes at 0 and below."""

    sentence: str
    numbers: Mapping[str, Any]
    short_bytes: int = 0

    @property
    def passed(self) -> bool:
        """Tell whether nothing is short."""
        return self.short_bytes <= 0


def _blind(facts: Facts) -> list[Finding]:
    return [
        Finding(problem.message, {"reason": problem.code, "message": problem.message}, short_bytes=1)
        for problem in facts.reading.problems
    ] or [Finding("the reading is trusted", {})]


def _floor_below_need(facts: Facts) -> list[Finding]:
    findings = []
    for floor in facts.budget.floors:
        need = f"expected peak {format_size(floor.expected_bytes)} + margin {format_size(facts.plan.margin_bytes)}"
        short = floor.needed_bytes - floor.configured_bytes
        verdict = f"covers {need}"
        if short > 0:
            verdict = (
                f"is {format_size(short)} below the need of {format_size(floor.needed_bytes)} ({need}); "
                f"set floor to {to_quantity(floor.recommended_bytes)}"
            )
        numbers = {**_of_floor(floor), "expected_bytes": floor.expected_bytes, "needed_bytes": floor.needed_bytes}
        numbers["margin_bytes"] = facts.plan.margin_bytes
        findings.append(
            Finding(f"{floor.tenant}: floor {format_size(floor.configured_bytes)} {verdict}", numbers, short)
        )
    return findings


def _floor_unreachable(facts: Facts) -> list[Finding]:
    cards = {entry.card.name: entry for entry in facts.budget.cards}
    findings = []
    for floor in facts.budget.floors:
        entry = cards[floor.card]
        total, warm = format_size(entry.card.total_bytes), format_size(entry.warm_bytes)
        short = floor.configured_bytes - floor.reachable_bytes
        verdict = "can be met" if short <= 0 else "can never be met, so the gate could never open"
        sentence = (
            f"{floor.tenant}: floor {format_size(floor.configured_bytes)} {verdict}: at most "
            f"{format_size(floor.reachable_bytes)} get free (total {total} - reserved {_reserved(entry)} - warm {warm})"
        )
        numbers = {
            **_of_floor(floor),
            "total_bytes": entry.card.total_bytes,
            "reserved_bytes": entry.reserved_bytes,
            "warm_bytes": entry.warm_bytes,
            "reachable_bytes": floor.reachable_bytes,
        }
        findings.append(Finding(sentence, numbers, short))
    return findings


def _overcommitted(facts: Facts) -> list[Finding]:
    return [_fits(entry, "without the gated tenants", gated=0) for entry in facts.budget.cards]


def _no_room_when_all_wake(facts: Facts) -> list[Finding]:
    return [
        _fits(entry, "when everybody wakes", gated=entry.gated_bytes)
        for entry in facts.budget.cards
        if entry.gated_bytes
    ]


def _fits(entry: CardBudget, when: str, *, gated: int) -> Finding:
    taken = entry.without_gated_bytes + gated
    short = taken - entry.card.total_bytes
    parts = {
        "warm": entry.warm_bytes,
        "on demand": entry.on_demand_bytes,
        "gated": gated,
        "undeclared": entry.others_bytes,
    }
    sums = " + ".join(
        [f"reserved {_reserved(entry)}", *(f"{name} {format_size(size)}" for name, size in parts.items() if size)]
    )
    rest = f"{format_size(-short)} left"
    if short > 0:
        rest = f"{format_size(short)} too much; lower a peak, gate a tenant or move one to another card"
    numbers = {
        "card": entry.card.name,
        "total_bytes": entry.card.total_bytes,
        "reserved_bytes": entry.reserved_bytes,
        "warm_bytes": entry.warm_bytes,
        "on_demand_bytes": entry.on_demand_bytes,
        "gated_bytes": gated,
        "undeclared_bytes": entry.others_bytes,
        "expected_bytes": taken,
    }
    what = f"{sums} = {format_size(taken)} of {format_size(entry.card.total_bytes)}, {rest}"
    return Finding(f"{entry.card.name} {when}: {what}", numbers, short)


def _over_budget(facts: Facts) -> list[Finding]:
    findings = []
    for tenant in facts.plan.tenants:
        observed = facts.reading.observed.get(tenant.name, 0)
        over = observed - tenant.peak_bytes
        verdict = f"held at most {format_size(observed)} of the declared {format_size(tenant.peak_bytes)}"
        if over > 0:
            verdict = (
                f"held {format_size(observed)}, {format_size(over)} more than the declared "
                f"{format_size(tenant.peak_bytes)}; measure again and correct its peak"
            )
        elif tenant.name in facts.reading.unclear:
            over = 1
            verdict = (
                "its history holds values that are no size, so what it held is not known; shorten lookback until they "
                "are outside, or set checks.over_budget to warn to go by its declared peak"
            )
        numbers = {"tenant": tenant.name, "declared_bytes": tenant.peak_bytes, "observed_bytes": observed}
        findings.append(Finding(f"{tenant.name}: {verdict}", numbers, over))
    return findings


def _undeclared_resident(facts: Facts) -> list[Finding]:
    findings = []
    for resident in facts.reading.residents:
        if resident.tenant is not None or not resident.peak_bytes:
            continue  # DCGM lists a pod of the card with 0 whatever it holds; what it holds is in the unnamed rest
        who = one_line(f"{resident.namespace}/{resident.pod}") if resident.pod else "somebody without a pod"
        numbers = {key: getattr(resident, key) for key in ("card", "namespace", "pod", "used_bytes", "peak_bytes")}
        said = f"{who} holds {format_size(resident.used_bytes)} and is not declared; add it to tenants"
        findings.append(Finding(said, numbers, max(1, resident.peak_bytes)))
    return findings


def _total_mismatch(facts: Facts) -> list[Finding]:
    findings = []
    for card in (entry.card for entry in facts.budget.cards):
        if card.declared_bytes is None or card.measured_bytes is None:
            continue
        declared, measured = format_size(card.declared_bytes), format_size(card.measured_bytes)
        more = card.declared_bytes - card.measured_bytes
        wrong = max(0, more) if card.whole or more > UNTOLD_RESERVE else 0
        verdict = f"is within what the card has ({measured})"
        if wrong:
            verdict = f"is {format_size(more)} more than the card has ({measured}); correct total or leave it out"
        numbers = {"card": card.name, "declared_bytes": card.declared_bytes, "measured_bytes": card.measured_bytes}
        findings.append(Finding(f"{card.name}: total {declared} {verdict}", numbers, wrong))
    return findings


def _of_floor(floor: Floor) -> dict[str, Any]:
    return {"tenant": floor.tenant, "card": floor.card, "floor_bytes": floor.configured_bytes}


def _reserved(entry: CardBudget) -> str:
    return "unknown" if entry.card.reserved_bytes is None else format_size(entry.reserved_bytes)


CHECKS: Mapping[str, Callable[[Facts], list[Finding]]] = {
    "blind": _blind,
    "floor_below_need": _floor_below_need,
    "floor_unreachable": _floor_unreachable,
    "overcommitted": _overcommitted,
    "no_room_when_all_wake": _no_room_when_all_wake,
    "over_budget": _over_budget,
    "undeclared_resident": _undeclared_resident,
    "total_mismatch": _total_mismatch,
}
#: arithmetic that declared numbers alone can answer while blind
DECLARED_WILL_DO = ("floor_below_need", "floor_unreachable", "overcommitted", "no_room_when_all_wake")
