"""The gate with a card each for two tenants: a doubt about one card decides nothing on the other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core import reasons
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import Problem
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate import decide
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_state import State, TenantState
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import Decision, TargetFacts, View
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import CardReading, Reading, Resident
from tests.unit.plugins.module_utils.core.gate_cases import FLOOR, GIB, OPEN, PEAK, RESERVED, TOTAL, gated

CARDS = ("a", "b")
POLICY = parse_policy(
    {
        "margin": 2 * GIB,
        "cards": [{"name": name, "node": f"gpu-{name}", "total": TOTAL} for name in CARDS],
        "tenants": [{**gated(f"tts-{name}", PEAK, FLOOR), "card": name} for name in CARDS],
    }
)
IN, OUT = TargetFacts(1, 1, ready=True), TargetFacts(0, 0, ready=False)


def reading(*against: str | None, free: int = 12 * GIB, own: int = 0) -> Reading:
    """Return both cards alike, with doubts about some, or about all of it (None)."""
    measured: dict[str, Any] = {"total_bytes": TOTAL, "free_bytes": free, "used_bytes": TOTAL - RESERVED - free}
    plain: dict[str, Any] = {"model": "", "reserved_bytes": RESERVED, "age_seconds": 1, "profile": None}
    return Reading(
        cards=tuple(
            CardReading(name, f"GPU-{name}", f"gpu-{name}", **measured, **plain, total_source="measured")
            for name in CARDS
        ),
        residents=tuple(Resident(name, f"tts-{name}", f"tts-{name}", "x-0", own, own) for name in CARDS if own),
        tenant_cards={f"tts-{name}": name for name in CARDS},
        problems=tuple(Problem("contradiction", "two exporters differ", card) for card in against),
    )


def look(found: Reading, facts: TargetFacts = OUT, **memory: Any) -> dict[str, Decision]:
    state = State({f"tts-{name}": TenantState(**memory) for name in CARDS})
    decisions, _state = decide(POLICY, View(found, OPEN, {f"tts-{name}": facts for name in CARDS}), OPEN, state)
    return {decision.tenant: decision for decision in decisions}


@pytest.mark.parametrize("card", CARDS)
def test_a_doubt_about_one_card_keeps_nobody_off_the_other(card: str) -> None:
    (other,) = set(CARDS) - {card}
    found = look(reading(card))
    assert (found[f"tts-{card}"].reason, found[f"tts-{other}"].reason) == (reasons.BLIND, reasons.ADMITTED)
    assert found[f"tts-{card}"].numbers["blind"] == "contradiction"


@pytest.mark.parametrize("card", CARDS)
def test_a_doubt_about_one_card_hides_nobody_who_fills_the_other(card: str) -> None:
    (other,) = set(CARDS) - {card}
    found = look(reading(card, free=0, own=PEAK), IN, target=1, seen_at=OPEN.timestamp() - 5)
    assert found[f"tts-{other}"].reason == reasons.GUARD_YIELD
    assert found[f"tts-{card}"].reason == reasons.BLIND_GRACE


@pytest.mark.parametrize("against", [(None,), (None, "a"), CARDS])
def test_a_doubt_about_all_of_it_blinds_both(against: tuple[str | None, ...]) -> None:
    assert {one.reason for one in look(reading(*against)).values()} == {reasons.BLIND}


def test_the_numbers_of_a_card_in_doubt_are_dropped() -> None:
    found = replace(reading("a", own=GIB), others={"a": 1, "b": 2}).by_card()
    assert [card.name for card in found.cards] == ["b"]
    assert [resident.card for resident in found.residents] == ["b"]
    assert found.others == {"b": 2}
    assert found.problems
