"""VRAM that does not come back when a tenant leaves: it is noticed whoever else grows meanwhile, and only then."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core import reasons
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import Problem
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate import decide
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_json import dump, load
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_state import Owed, State, lost
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import Decision, TargetFacts, View
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import CardReading, Reading, Resident
from tests.unit.plugins.module_utils.core.gate_cases import (
    CAP,
    COOL_DOWN,
    GIB,
    MAX_AGE,
    MIB,
    OPEN,
    PEAK,
    RESERVED,
    TOTAL,
    policy,
)

AWAY, UP = TargetFacts(0, 0, ready=False), TargetFacts(1, 1, ready=True)
LEAVING = TargetFacts(0, 1, ready=False)
HELD = 3 * GIB


@dataclass
class Card:
    """A card as it is, and the gate that looks at it; sizes in bytes."""

    #: by pod, as namespace/pod; those of `unknown` and `host` are listed without a name
    pods: dict[str, int] = field(default_factory=lambda: {"llm/llm-0": 7 * GIB})
    #: in use, and in no list
    ghost: int = 0
    #: what the device has not seen yet of what the pods hold
    behind: int = 0
    names: bool = True
    blind: bool = False
    now: float = 0
    state: State = field(default_factory=State)
    facts: dict[str, TargetFacts | None] = field(default_factory=lambda: {"tts": AWAY, "ocr": AWAY})
    plan: Any = field(default_factory=lambda: policy(priority=1))

    def reading(self) -> Reading:
        if self.blind:
            return Reading(problems=(Problem("refused", "nobody listens there"),))
        used = sum(self.pods.values()) + self.ghost - self.behind
        free = max(0, TOTAL - RESERVED - used)
        card = CardReading("t4", None, None, "", TOTAL, used, free, RESERVED, 0, None, "measured")
        tenants = {name: name for name in ("llm", "tts", "ocr")}
        residents = [
            Resident("t4", tenants.get(name), name, pod, size, size)
            for (name, _slash, pod), size in ((path.partition("/"), size) for path, size in self.pods.items())
        ]
        return Reading((card,), tuple(residents) if self.names else (), tenant_cards=dict.fromkeys(tenants, "t4"))

    def look(self, seconds: float = 5) -> dict[str, Decision]:
        """Let some time pass, look once, and carry out what was decided; what is kept is kept as JSON."""
        self.now += seconds
        now = OPEN + timedelta(seconds=self.now)
        decisions, state = decide(self.plan, View(self.reading(), now, self.facts), now, self.state)
        self.state = load(json.loads(json.dumps(dump(state))))
        for decision in decisions:
            if decision.changed:
                self.facts[decision.tenant] = {0: LEAVING, 1: UP}[decision.target_replicas or 0]
        return {decision.tenant: decision for decision in decisions}

    def runs(self, held: int = HELD, *, named: bool = True) -> None:
        """Let tts in and let it load; then ocr has no room, and is of no interest."""
        assert self.look()["tts"].reason == reasons.ADMITTED
        self.pods["tts/tts-0" if named else "unknown/tts-0"] = held
        assert self.look()["tts"].target_replicas == 1

    def crowds_out(self, *, for_good: bool = False) -> None:
        """Let llm take the card, so that tts leaves."""
        before, self.pods["llm/llm-0"] = self.pods["llm/llm-0"], 10 * GIB
        assert self.look()["tts"].reason == reasons.GUARD_YIELD
        if not for_good:
            self.pods["llm/llm-0"] = before

    def pod_ends(self) -> None:
        self.facts["tts"] = AWAY
        self.pods.pop("tts/tts-0", None)

    def shut(self) -> bool:
        """Tell whether something is owed to the card, and make sure that this is what keeps everybody out."""
        found = self.look()
        owed = "tts" in self.state.owed
        if owed:
            assert found["tts"].reason in (reasons.DRAINING, reasons.NOT_FREED)
            assert found["ocr"].reason == reasons.CARD_NOT_FREED
            assert not found["tts"].verified
        else:
            assert found["tts"].reason == reasons.COOL_DOWN
            assert found["tts"].verified
        return owed


@pytest.fixture
def card() -> Card:
    return Card()


def test_what_comes_back_opens_the_card_at_once(card: Card) -> None:
    card.runs()
    card.crowds_out()
    assert card.shut(), "its pod is there"
    card.pod_ends()
    assert not card.shut()


@pytest.mark.parametrize("listed", ["", "unknown/tts-0", "host/1234"])
def test_a_card_stays_shut_until_the_vram_is_back(card: Card, listed: str) -> None:
    card.runs()
    card.crowds_out()
    card.pod_ends()
    if listed:
        card.pods[listed] = HELD
    else:
        card.ghost = HELD
    assert card.shut()
    (found,) = [card.look()["tts"]]
    assert (found.reason, found.numbers["left_behind_bytes"], found.not_freed) == (reasons.DRAINING, HELD, False)
    later = card.look(MAX_AGE)["tts"]
    assert (later.reason, later.not_freed) == (reasons.NOT_FREED, True)
    card.look(COOL_DOWN)
    assert card.shut(), "not a matter of time"
    card.plan = policy(enabled=False)
    outside = card.look()["tts"]
    assert (outside.reason, outside.not_freed) == (reasons.DISABLED, True)
    assert card.look()["ocr"].reason == reasons.CARD_NOT_FREED
    card.plan = policy(priority=1)
    card.ghost = 0
    card.pods.pop(listed, None)
    found = card.look()["tts"]
    assert (found.reason, found.not_freed) == (reasons.ADMITTED, False)
    assert card.state.owed == {}


@pytest.mark.parametrize("grows", [-GIB, GIB])
def test_what_named_others_do_meanwhile_is_neither_mistaken_for_it_nor_hides_it(card: Card, grows: int) -> None:
    for ghost in (0, HELD):
        there = replace(card, pods=dict(card.pods), facts=dict(card.facts), ghost=GIB)  # a desktop, say
        there.runs()
        there.crowds_out()
        there.pods["llm/llm-0"] += grows
        there.pods["comfy/comfy-0"] = GIB
        there.pod_ends()
        there.ghost += ghost
        assert there.shut() == bool(ghost)


def test_a_new_pod_that_gets_its_name_meanwhile_does_not_hide_it(card: Card) -> None:
    for ghost in (0, HELD):
        there = replace(card, pods=dict(card.pods), facts=dict(card.facts))
        there.runs()
        there.pods["unknown/comfy-0"] = HELD
        there.crowds_out()
        there.pods["comfy/comfy-0"] = there.pods.pop("unknown/comfy-0")
        there.pod_ends()
        there.ghost = ghost
        assert there.shut() == bool(ghost)


def test_what_host_processes_took_before_is_theirs(card: Card) -> None:
    card.runs()
    card.pods["host/7"] = GIB
    card.crowds_out()
    card.pods["comfy/comfy-0"] = GIB
    card.pod_ends()
    # comfy may be what was unnamed: a GiB is in doubt until it or the process ends.
    assert card.shut()
    del card.pods["comfy/comfy-0"]
    assert not card.shut()


def test_an_exporter_that_is_ahead_of_the_other_does_not_shut_the_card(card: Card) -> None:
    card.ghost = GIB  # a desktop, say: in use, in no list
    card.runs()
    card.pods["tts/tts-0"], card.behind = PEAK, PEAK - HELD
    card.crowds_out()
    card.pod_ends()
    card.behind = 0
    assert not card.shut()


def test_a_device_that_is_behind_keeps_the_card_shut_until_it_has_seen_it(card: Card) -> None:
    card.runs()
    card.crowds_out()
    card.pod_ends()
    card.behind = -HELD
    assert card.shut()
    card.behind = 0
    assert not card.shut()


@pytest.mark.parametrize("names", [True, False])
def test_use_without_a_name_is_owed_from_before_it_came(card: Card, names: bool) -> None:
    """A pod is nobody's for its first minute; some exporters name no pod at all."""
    card.names, card.pods["llm/llm-0"] = names, 5 * GIB
    card.ghost = GIB if names else 0
    card.runs(HELD if names else PEAK, named=False)
    card.crowds_out(for_good=not names)
    card.pod_ends()
    assert card.shut()
    card.pods["unknown/tts-0"] = GIB
    card.look(3600)
    assert card.shut(), "a part is not all, however long it takes"
    del card.pods["unknown/tts-0"]
    card.look()
    assert card.state.owed == {}


def test_without_names_no_more_is_asked_for_than_the_tenant_may_take(card: Card) -> None:
    card.names, card.pods["llm/llm-0"] = False, 5 * GIB
    card.runs(PEAK)
    card.crowds_out(for_good=True)
    card.facts["tts"] = AWAY
    assert card.shut()
    card.pods["tts/tts-0"] = GIB
    assert card.shut()
    del card.pods["tts/tts-0"]
    assert not card.shut()


@pytest.mark.parametrize("stop", ["foreign", "foreign and gone", "foreign outside", "blind"])
def test_it_is_owed_however_it_left(card: Card, stop: str) -> None:
    card.runs()
    if stop == "blind":
        card.blind = True
        while card.look(30)["tts"].target_replicas:
            pass
        card.blind = False
    elif stop == "foreign outside":
        card.facts["tts"], card.plan = LEAVING, policy(enabled=False)
        card.look()
        card.plan = policy(priority=1)
    else:
        card.facts["tts"] = LEAVING
        if stop == "foreign and gone":
            card.pod_ends()
            card.ghost = HELD
        assert card.look()["tts"].reason == reasons.FOREIGN_STOP
    card.pod_ends()
    card.ghost = HELD
    assert card.look()["tts"].reason in (reasons.DRAINING, reasons.NOT_FREED)
    card.blind = True
    card.look()
    assert "tts" in card.state.owed, "what is not seen is as it was"
    card.blind, card.ghost = False, 0
    card.look()
    assert card.state.owed == {}


def test_what_was_unnamed_when_it_left_unseen_is_not_doubted(card: Card) -> None:
    card.runs()
    card.pods["host/7"] = GIB
    card.look()
    card.blind = True
    while card.look(30)["tts"].target_replicas:
        pass
    card.blind = False
    card.pod_ends()
    card.look()
    assert card.state.owed == {}


def test_what_is_unknown_of_it_is_a_guess_and_ends_within_the_hour(card: Card) -> None:
    card.state = lost(["tts"], OPEN.timestamp(), COOL_DOWN, CAP)
    card.facts["tts"], card.pods["unknown/tts-0"] = UP, HELD
    card.crowds_out()
    card.pods.pop("unknown/tts-0")
    card.pod_ends()
    card.ghost = PEAK  # of others perhaps
    assert card.shut()
    card.look(3600)
    assert "tts" not in card.state.owed


def test_what_was_never_seen_at_all_is_owed_for_an_hour(card: Card) -> None:
    card.blind, card.facts["tts"] = True, UP
    assert card.look()["tts"].reason == reasons.BLIND_YIELD
    assert card.state.owed["tts"].until == OPEN.timestamp() + card.now + 3600
    card.facts["tts"] = AWAY
    card.look(3600)
    assert card.state.owed == {}


def test_who_stays_after_all_owes_nothing(card: Card) -> None:
    card.runs()
    card.crowds_out()
    assert "tts" in card.state.owed
    # The write failed, and what was remembered holds again; the crowd has gone.
    card.facts["tts"] = UP
    card.state = replace(card.state, tenants={"tts": replace(card.state.of("tts"), target=1, cool_down_until=None)})
    assert card.look()["tts"].reason == reasons.RUNNING
    assert card.state.owed == {}


def test_a_target_that_nobody_can_ask_about_is_not_over_with(card: Card) -> None:
    card.runs()
    card.crowds_out()
    card.pod_ends()
    card.facts["tts"] = None
    card.look()
    assert "tts" in card.state.owed
    card.facts["tts"] = AWAY
    assert not card.shut()


def test_two_that_leave_are_told_apart(card: Card) -> None:
    card.pods["llm/llm-0"] = GIB
    card.runs(GIB)
    assert card.facts["ocr"] == UP
    card.pods["ocr/ocr-0"] = GIB
    card.look()
    card.plan = policy(enabled=False)
    card.look()
    card.pod_ends()
    card.ghost = GIB
    card.pods["llm/llm-0"] = 13 * GIB
    assert card.look()["ocr"].reason == reasons.GUARD_YIELD
    card.pods["llm/llm-0"] = GIB
    card.facts["ocr"] = AWAY
    del card.pods["ocr/ocr-0"]
    assert set(card.state.owed) == {"tts", "ocr"}
    card.look()
    assert set(card.state.owed) == {"tts"}


def test_a_card_that_nobody_can_name_yet_gets_its_name_later(card: Card) -> None:
    plain = card.plan
    nameless = tuple(replace(tenant, card=None) for tenant in plain.plan.tenants)
    card.plan = replace(plain, plan=replace(plain.plan, tenants=nameless))
    card.blind, card.facts["tts"] = True, UP
    card.look()
    assert card.state.owed["tts"].card == ""
    assert card.look()["ocr"].reason == reasons.BLIND
    card.blind, card.facts["tts"], card.ghost = False, AWAY, HELD
    assert card.look()["ocr"].reason == reasons.CARD_NOT_FREED
    assert card.state.owed["tts"].card == "t4"


def test_a_card_that_nobody_ever_names_is_not_waited_for_for_ever(card: Card) -> None:
    card.runs()
    card.blind = True
    card.plan = policy(enabled=False)
    nowhere = tuple(replace(tenant, card=None) for tenant in card.plan.plan.tenants)
    card.plan = replace(card.plan, plan=replace(card.plan.plan, tenants=nowhere))
    assert card.look()["tts"].reason == reasons.DISABLED
    assert card.state.owed["tts"].card == ""
    plain = policy(priority=1)
    card.plan = replace(plain, tenants=plain.tenants[1:], plan=replace(plain.plan, tenants=plain.plan.tenants[2:]))
    card.blind = False
    card.pod_ends()
    assert card.look()["ocr"].reason == reasons.CARD_NOT_FREED
    assert card.look(3600)["ocr"].reason == reasons.ADMITTED


def test_a_few_bytes_are_no_debt(card: Card) -> None:
    for ghost, expected in ((256 * MIB, False), (256 * MIB + 1, True)):
        there = replace(card, pods=dict(card.pods), facts=dict(card.facts))
        there.runs()
        there.crowds_out()
        there.pod_ends()
        there.ghost = ghost
        assert there.shut() == expected


@pytest.mark.parametrize(
    ("cards", "known", "against", "shut"),
    [
        (("t4",), "t4", [], False),
        (("t4", "GPU-old"), "t4", [], True),  # it is there, and what is owed to it may be as well
        ((), "t4", [], True),
        (("t4",), "t4", [None], True),
        (("t4", "GPU-old"), "t4", ["GPU-old"], True),
        (("t4",), None, [], True),  # llm may be on it
        (("t4",), "GPU-old", [], True),
    ],
    ids=["replaced", "there", "no_cards", "problem", "in_doubt", "nobody_knows", "declared"],
)
def test_nothing_is_owed_to_a_card_that_nobody_knows_any_more(
    cards: tuple[str, ...], known: str | None, against: list[str | None], shut: bool
) -> None:
    free = {"t4": 12 * GIB, "GPU-old": 8 * GIB}
    found = tuple(
        CardReading(name, None, None, "", TOTAL, TOTAL - free[name], free[name], 0, 0, None, "measured")
        for name in cards
    )
    # The plan's tenants say where they are only by what is measured of them.
    plain = policy(priority=1)
    plan = replace(plain, plan=replace(plain.plan, tenants=tuple(replace(t, card=None) for t in plain.plan.tenants)))
    where = {"tts": "t4", "ocr": "t4"} | ({} if known is None else {"llm": known})
    problems = tuple(Problem("refused", "nobody listens there", card) for card in against)
    reading = Reading(found, tenant_cards=where, problems=problems)
    owed = State(owed={"tts": Owed("GPU-old", GIB)})
    _, state = decide(plan, View(reading, OPEN, {"tts": AWAY, "ocr": AWAY}), OPEN, owed)
    assert bool(state.owed) == shut


def test_what_it_left_behind_is_not_taken_for_what_was_there_before(card: Card) -> None:
    card.runs()
    before = card.state.of("tts").before_bytes
    card.crowds_out()
    card.pod_ends()
    card.ghost = HELD
    assert card.shut()
    assert card.state.of("tts").before_bytes == before == 0


def test_a_debt_is_not_dropped_while_nobody_sees_whether_it_runs(card: Card) -> None:
    card.runs()
    card.state = replace(card.state, owed={"tts": Owed("t4", 0)})
    card.facts["tts"] = None
    assert card.look()["tts"].target_replicas != 0
    assert "tts" in card.state.owed
    card.facts["tts"] = UP
    card.look()
    assert "tts" not in card.state.owed
