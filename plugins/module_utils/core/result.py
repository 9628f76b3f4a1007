# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A measurement as the modules return it: the keys are a contract, the same on success and on failure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Optional

from .budget import Floor, budget
from .checks import Verdict
from .declared import Plan
from .reading import CardReading, Reading
from .report import report


def result(plan: Plan, reading: Reading, verdict: Optional[Verdict] = None) -> dict[str, Any]:
    """Return the result of a measurement; with a verdict also ``safe`` and ``checks``."""
    sums = budget(plan, reading)
    found: dict[str, Any] = {
        "msg": report(plan, reading, verdict),
        "cards": [_card(card) for card in reading.cards],
        "residents": [asdict(resident) for resident in reading.residents],
        "floors": {floor.tenant: _floor(floor) for floor in sums.floors},
        "worst_case_bytes": {card.card.name: card.worst_case_bytes for card in sums.cards},
        "headroom_bytes": {card.card.name: card.headroom_bytes for card in sums.cards},
        "history": {"lookback_seconds": reading.lookback_seconds, "covered_seconds": reading.covered_seconds},
    }
    if verdict is not None:
        found["safe"] = verdict.safe
        found["checks"] = [asdict(check) for check in verdict.checks]
    return found


def _card(card: CardReading) -> dict[str, Any]:
    shown = asdict(card)
    for inner in ("declared_bytes", "measured_bytes", "whole"):
        del shown[inner]
    return shown


def _floor(floor: Floor) -> dict[str, int]:
    return {
        "configured_bytes": floor.configured_bytes,
        "recommended_bytes": floor.recommended_bytes,
        "needed_bytes": floor.needed_bytes,
        "reachable_bytes": floor.reachable_bytes,
    }
