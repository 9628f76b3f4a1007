"""A tenant that has just been let in: of two exporters one may see its VRAM before the other says whose it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core import reasons
from tests.unit.plugins.module_utils.core.gate_cases import GIB, MAX_AGE, PEAK
from tests.unit.plugins.module_utils.core.test_gate_owed import UP, Card


@pytest.fixture
def card() -> Card:
    """A card on which the tenant was let in and has not been seen yet: 7.56 GiB are free, its guard level is 5 GiB."""
    card = Card()
    assert card.look()["tts"].reason == reasons.ADMITTED
    return card


def test_it_does_not_yield_to_its_own_vram(card: Card) -> None:
    card.ghost = PEAK
    seen = card.look()["tts"]
    assert (seen.reason, seen.numbers["own_bytes"], seen.numbers["arriving_bytes"]) == (reasons.RUNNING, 0, PEAK)
    card.ghost, card.pods["tts/tts-0"] = GIB, 3 * GIB
    seen = card.look()["tts"]
    assert (seen.reason, seen.numbers["arriving_bytes"]) == (reasons.RUNNING, GIB)
    card.ghost, card.pods["tts/tts-0"] = 0, PEAK
    seen = card.look()["tts"]
    assert (seen.reason, "arriving_bytes" in seen.numbers) == (reasons.RUNNING, False)


def test_it_yields_to_what_is_more_than_it_may_take(card: Card) -> None:
    card.ghost = PEAK + 3 * GIB
    assert card.look()["tts"].reason == reasons.GUARD_YIELD


def test_it_yields_to_what_has_a_name(card: Card) -> None:
    card.pods["comfyui/comfyui-0"] = 3 * GIB
    assert card.look()["tts"].reason == reasons.GUARD_YIELD


def test_what_was_there_before_is_not_its_own() -> None:
    card = Card(pods={}, ghost=5 * GIB)
    assert card.look()["tts"].reason == reasons.ADMITTED
    card.pods["comfyui/comfyui-0"] = 5 * GIB
    assert card.look()["tts"].reason == reasons.GUARD_YIELD


def test_what_nobody_names_for_longer_than_a_reading_may_be_old_counts_as_others(card: Card) -> None:
    card.ghost = PEAK
    admitted = card.now
    while card.now < admitted + MAX_AGE:
        assert card.look()["tts"].reason == reasons.RUNNING
    assert card.look()["tts"].reason == reasons.GUARD_YIELD


def test_what_cannot_be_told_apart_counts_as_others(card: Card) -> None:
    card.ghost = PEAK
    card.facts["tts"] = replace(UP, attributable=False)
    assert card.look()["tts"].reason == reasons.GUARD_YIELD
