# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Is the plan safe? Eight questions, each answered with its own numbers.

Every check may be set to ``fail``, ``warn`` or ``off``; the verdict is safe when no check of level ``fail`` has failed.
While blind, the arithmetic goes on with declared numbers alone, and what they cannot decide has not passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from .budget import budget, card_of
from .declared import GATED, Plan
from .errors import InputError, one_line
from .findings import CHECKS, DECLARED_WILL_DO, Facts, Finding
from .reading import Reading

FAIL = "fail"
WARN = "warn"
OFF = "off"
LEVELS = (FAIL, WARN, OFF)

#: how many failed subjects a message names; all of them are in the numbers
MOST_SHOWN = 3
#: how long a message may be (characters)
MOST_SAID = 1500

NOTHING = Finding("nothing to check", {})


@dataclass(frozen=True)
class Check:
    """The answer to one question; ``numbers`` are the worst subject's, with several all of them under ``subjects``."""

    name: str
    level: str
    passed: bool
    msg: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """Whether the plan is safe, and why."""

    safe: bool
    checks: tuple[Check, ...]


def judge(plan: Plan, reading: Reading, levels: Mapping[str, str]) -> Verdict:
    """Return the verdict on ``plan``; ``levels`` overrides the level of single checks by name."""
    facts = Facts(plan, reading, budget(plan, reading))
    checks = tuple(_answer(name, levels.get(name), facts) for name in CHECKS)
    return Verdict(all(check.passed for check in checks if check.level == FAIL), checks)


def parse_levels(value: Any, where: str = "checks") -> dict[str, str]:
    """Return the levels that a user set; an unknown check or level is an error that lists the known ones."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(where, value, "is not a mapping", "write check names and fail, warn or off below it")
    levels = {}
    for name, level in value.items():
        # YAML reads a bare `off` as false.
        chosen = OFF if level is False else level
        if name not in CHECKS:
            raise InputError(where, name, "is no check", f"known: {', '.join(CHECKS)}")
        if chosen not in LEVELS:
            raise InputError(f"{where}.{name}", level, "is no level", f"write one of {', '.join(LEVELS)}")
        levels[str(name)] = str(chosen)
    return levels


def _default_level(name: str, facts: Facts, failed: Sequence[Finding] = ()) -> str:
    if name == "undeclared_resident":
        return WARN
    if name == "no_room_when_all_wake":
        stay = [tenant for tenant in facts.plan.tenants if tenant.mode == GATED and not tenant.may_yield]
        cards = {card_of(tenant, facts.reading, facts.budget.cards) for tenant in stay}
        full = {finding.numbers["card"] for finding in failed}
        # Where the gate may make room, it does; one whose card is not known may be on any.
        return FAIL if cards and (not full or cards & (full | {""})) else WARN
    return FAIL


def _answer(name: str, chosen: Optional[str], facts: Facts) -> Check:
    level = chosen or _default_level(name, facts)
    if name in DECLARED_WILL_DO and not _every_card_known(facts):
        return Check(
            name, level, passed=False, msg="cannot be decided: a card is neither measured nor its total declared"
        )
    if name not in DECLARED_WILL_DO and name != "blind" and facts.reading.problems:
        return Check(name, level, passed=False, msg="cannot be decided while blind")
    findings = CHECKS[name](facts)
    failed = [finding for finding in findings if not finding.passed]
    level = chosen or _default_level(name, facts, failed)
    worst = max(failed or findings, key=lambda finding: finding.short_bytes, default=NOTHING)
    numbers = dict(worst.numbers)
    if len(findings) > 1:
        numbers["subjects"] = [dict(finding.numbers) for finding in findings]
    return Check(name, level, not failed, one_line(_sentence(findings, failed, worst), MOST_SAID), numbers)


def _every_card_known(facts: Facts) -> bool:
    names = {entry.card.name for entry in facts.budget.cards}
    wanted = {card_of(tenant, facts.reading, facts.budget.cards) for tenant in facts.plan.tenants}
    return bool(names) and wanted | {card.name for card in facts.plan.cards} <= names


def _sentence(findings: Sequence[Finding], failed: Sequence[Finding], worst: Finding) -> str:
    if not failed:
        return worst.sentence if len(findings) < 2 else f"all {len(findings)} pass"
    more = len(failed) - MOST_SHOWN
    return "; ".join(finding.sentence for finding in failed[:MOST_SHOWN]) + (f"; and {more} more" if more > 0 else "")
