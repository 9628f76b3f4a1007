# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person reads: the table of cards, residents and checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from .budget import Budget, CardBudget, budget, card_of, expected
from .checks import FAIL, MOST_SAID, OFF, Check, Verdict
from .declared import Plan, Tenant
from .errors import one_line
from .quantity import format_duration, format_size
from .reading import CardReading, Reading, Resident

_NAME_MAX = 40


def report(plan: Plan, reading: Reading, verdict: Optional[Verdict] = None) -> str:
    """Return the whole table; without a verdict only what was measured."""
    sums = budget(plan, reading)
    lines = [_headline(reading, verdict)]
    own: dict[str, list[Tenant]] = {}
    for tenant in plan.tenants:
        own.setdefault(card_of(tenant, reading, sums.cards), []).append(tenant)
    for card in sums.cards:
        lines += ["", *_card(own.get(card.card.name, []), reading, sums, card)]
    if verdict is not None:
        lines += ["", *_aligned([_check(check) for check in verdict.checks])]
    lines += [f"note: {note}" for note in _notes(reading)]
    return "\n".join(one_line(line, MOST_SAID + _NAME_MAX) for line in lines)


def _headline(reading: Reading, verdict: Optional[Verdict]) -> str:
    if verdict is None:
        return "VRAM: " + ("; ".join(problem.message for problem in reading.problems) or "measured")
    failed = [check.name for check in verdict.checks if check.level == FAIL and not check.passed]
    if "blind" in failed:
        return "VRAM plan: UNSAFE (blind: nothing could be measured, so nothing is decided in its favour)"
    return "VRAM plan: " + (f"UNSAFE ({', '.join(failed)})" if failed else "safe")


def _card(own: Sequence[Tenant], reading: Reading, sums: Budget, entry: CardBudget) -> Iterable[str]:
    card = entry.card
    source = card.profile or "not measured"
    age = "" if card.age_seconds is None else f", {format_duration(card.age_seconds)} old"
    parts = (_short(card.model), f"node {_short(card.node)}" if card.node else "", source + age)
    yield f"card {_short(card.name)} ({', '.join(part for part in parts if part)})"
    yield f"  {_sizes(card, measured=not reading.problems)}"
    rows: list[tuple[str, ...]] = [("tenant", "mode", "declared", "now", "peak", "counted")]
    rows += [_tenant(tenant, reading) for tenant in own]
    rows += [_other(other) for other in reading.residents if _beside(reading, other, card.name)]
    yield from (f"  {line}" for line in _aligned(rows, numbers_from=2))
    yield f"  worst case {format_size(entry.worst_case_bytes)}, headroom {format_size(entry.headroom_bytes)}"
    for floor in sums.floors:
        if floor.card == card.name:
            yield (
                f"  floor of {floor.tenant}: {format_size(floor.configured_bytes)}, "
                f"needed {format_size(floor.needed_bytes)}, "
                f"at most {format_size(floor.reachable_bytes)} can get free"
            )


def _sizes(card: CardReading, *, measured: bool) -> str:
    total = f"total {format_size(card.total_bytes)} ({card.total_source})"
    if not measured:
        return f"{total}, all else unknown"
    reserved = "unknown" if card.reserved_bytes is None else format_size(card.reserved_bytes)
    used, free = format_size(card.used_bytes), format_size(card.free_bytes)
    return f"{total}, used {used}, free {free}, reserved by the driver {reserved}"


def _tenant(tenant: Tenant, reading: Reading) -> tuple[str, ...]:
    now = sum(resident.used_bytes for resident in reading.residents if resident.tenant == tenant.name)
    seen = (format_size(now), format_size(reading.observed.get(tenant.name, 0)))
    counted = format_size(expected(tenant, reading))
    return (
        tenant.name,
        tenant.mode,
        format_size(tenant.peak_bytes),
        *(("-", "-") if reading.problems else seen),
        counted,
    )


def _beside(reading: Reading, resident: Resident, card: str) -> bool:
    if resident.tenant is None:
        return resident.card in (card, None)
    return resident.card == card and reading.tenant_cards.get(resident.tenant) != card


def _other(resident: Resident) -> tuple[str, ...]:
    name = f"{resident.namespace}/{resident.pod}" if resident.pod else resident.namespace or "(no pod)"
    mode = "undeclared" if resident.tenant is None else "astray"
    peak = format_size(resident.peak_bytes)
    return _short(name), mode, "-", format_size(resident.used_bytes), peak, peak


def _short(text: str) -> str:
    return one_line(text, _NAME_MAX)


def _check(check: Check) -> tuple[str, str, str]:
    if check.level == OFF:
        return "off", check.name, check.msg
    return "ok" if check.passed else check.level.upper(), check.name, check.msg


def _notes(reading: Reading) -> Iterable[str]:
    yield from reading.notes
    for card in reading.cards:
        if card.reserved_bytes is None and card.whole:
            yield (
                f"nobody tells what the driver keeps of card {_short(card.name)}, so it counts as 0: declare a total "
                "without it (it is about 450 MiB on a T4), or scrape an exporter that tells it"
            )
    if reading.lookback_seconds and not reading.problems:
        wanted = format_duration(reading.lookback_seconds)
        if reading.covered_seconds == 0:
            yield f"there is no history of pods for the look-back of {wanted}: declared peaks and what is now count"
        elif reading.covered_seconds < reading.lookback_seconds * 0.95:
            yield f"history covers {format_duration(reading.covered_seconds)} of the look-back of {wanted}"


def _aligned(rows: Sequence[Sequence[str]], numbers_from: int = 99) -> Iterable[str]:
    """Return ``rows`` in columns, those from ``numbers_from`` on set to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if column >= numbers_from else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths))
        ]
        yield "  ".join(cells).rstrip()
