"""Single rules of the gate that one look at one tenant does not show: several tenants, time, clocks, memory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core import reasons
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate import decide
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_json import dump, load
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_look import Look
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_state import State, TenantState, lost, settled
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import Decision, TargetFacts, View
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import Policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import Resident
from tests.unit.plugins.module_utils.core.gate_cases import (
    CAP,
    CLOSED,
    COOL_DOWN,
    FLOOR,
    GIB,
    GUARD,
    IDLE_GRACE,
    LLM_PEAK,
    LOADING,
    MAX_AGE,
    MIN_RUN,
    OCR_PEAK,
    OPEN,
    PEAK,
    Case,
    policy,
)

NOW = OPEN.timestamp()


def reason(case: Case) -> str:
    return case.decide()[0].reason


def both(
    case: Case, chosen: Policy | None = None, ocr: TargetFacts | None = None, state: State | None = None
) -> tuple[dict[str, Decision], State]:
    """Return the decisions on tts and ocr by name, and the state."""
    view = case.view()
    facts = {**view.targets, "ocr": ocr if ocr is not None else view.targets["ocr"]}
    decisions, after = decide(
        chosen or case.policy(), View(view.reading, view.taken_at, facts), case.now, state or case.state()
    )
    return {decision.tenant: decision for decision in decisions}, after


def test_every_reason_has_its_sentence() -> None:
    codes = {value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)}
    assert codes == set(reasons.SENTENCES)
    assert all(text.endswith(".") and len(text) < 140 for text in reasons.SENTENCES.values())


# --- several tenants on one card ---

STOPPED = TargetFacts(0, 0, ready=False)


@pytest.mark.parametrize(("priority", "first"), [(1, "tts"), (0, "tts"), (-1, "ocr")])
def test_the_more_important_enters_first_and_alone(priority: int, first: str) -> None:
    found, state = both(Case(), policy(priority=priority), STOPPED, State())
    other = {"tts": "ocr", "ocr": "tts"}[first]
    assert (found[first].reason, found[other].reason) == (reasons.ADMITTED, reasons.CARD_BUSY)
    assert (state.of(first).target, state.of(other).target) == (1, 0)


def test_who_has_no_room_does_not_keep_the_next_one_out() -> None:
    found, _ = both(Case(free=FLOOR + LLM_PEAK - 1), None, STOPPED, State())
    assert (found["tts"].reason, found["ocr"].reason) == (reasons.NO_ROOM, reasons.ADMITTED)


@pytest.mark.parametrize(("priority", "leaves"), [(1, "ocr"), (-1, "tts")])
def test_the_less_important_leaves_first_and_its_vram_counts_as_freed(priority: int, leaves: str) -> None:
    case = Case(replicas=1, pods=1, ready=True, own=PEAK, ocr="loaded", free=0)
    found, state = both(case, policy(priority=priority))
    stays = {"tts": "ocr", "ocr": "tts"}[leaves]
    assert found[leaves].reason == reasons.GUARD_YIELD
    assert found[stays].target_replicas == 1
    # While it goes its VRAM still counts as freed, for as long as a reading may be old; then it is held by somebody.
    for seconds, expected in ((MAX_AGE - 1, 1), (MAX_AGE, 0)):
        gone = State({**state.tenants, leaves: replace(state.of(leaves), changed_at=NOW - seconds)})
        view = case.view()
        facts = {**view.targets, leaves: TargetFacts(0, 1, ready=False)}
        decisions, _ = decide(policy(priority=priority), View(view.reading, OPEN, facts), OPEN, gone)
        assert next(d for d in decisions if d.tenant == stays).target_replicas == expected


def test_nobody_enters_where_an_admitted_one_would_have_to_leave_for_it() -> None:
    high = policy()
    ocr = replace(high.tenants[1], guard_bytes=OCR_PEAK + 2 * GIB - 1, floor_bytes=OCR_PEAK + 2 * GIB)
    chosen = replace(high, tenants=(high.tenants[0], ocr))
    loaded = Case(ocr="loaded", llm=LLM_PEAK, free=FLOOR)
    assert both(loaded, chosen)[0]["tts"].reason == reasons.ADMITTED
    steep = replace(chosen, tenants=(high.tenants[0], replace(ocr, guard_bytes=FLOOR - PEAK + OCR_PEAK + 1)))
    assert both(loaded, steep)[0]["tts"].reason == reasons.NO_ROOM


def test_nobody_enters_while_another_one_is_told_to_leave() -> None:
    plain = policy()
    off = replace(plain, tenants=(plain.tenants[0], replace(plain.tenants[1], enabled=False)))
    found, _ = both(Case(ocr="loaded"), off)
    assert (found["ocr"].reason, found["tts"].reason) == (reasons.DISABLED, reasons.CARD_NOT_FREED)


def test_the_numbers_of_a_reading_that_is_not_trusted_are_not_used() -> None:
    case = Case(own=GIB)
    doubted = replace(case.reading(), problems=Case(blind="problem").reading().problems)
    view = View(doubted, OPEN, {**case.view().targets, "ocr": STOPPED})
    decisions, _ = decide(policy(), view, OPEN, State())
    assert [(one.reason, one.not_freed) for one in decisions] == [(reasons.BLIND, False)] * 2


def test_loading_blocks_the_card_for_a_while_only() -> None:
    case = Case(ocr="loading")
    for seconds, expected in ((LOADING - 1, reasons.CARD_BUSY), (LOADING, reasons.ADMITTED)):
        state = State({"ocr": TenantState(target=1, loading_since=NOW - seconds)})
        assert both(case, state=state)[0]["tts"].reason == expected


def test_a_tenant_of_another_card_blocks_nobody() -> None:
    plain = policy()
    plan = replace(
        plain.plan,
        tenants=tuple(replace(t, card="other") if t.name == "ocr" else t for t in plain.plan.tenants),
    )
    apart = replace(plain, plan=plan, tenants=(plain.tenants[0], replace(plain.tenants[1], card="other")))
    case = Case(ocr="loading")
    reading = replace(case.reading(), tenant_cards={"llm": "t4", "tts": "t4", "ocr": "other"})
    decisions, _ = decide(apart, View(reading, OPEN, case.view().targets), OPEN, State())
    assert [decision.reason for decision in decisions] == [reasons.ADMITTED, reasons.BLIND_YIELD]


# --- levels ---


def test_a_tenant_seen_above_its_peak_needs_as_much_more() -> None:
    case = Case()
    seen = replace(case.reading(), observed={"tts": PEAK + GIB})
    look = Look(policy(), View(seen, OPEN, case.view().targets), OPEN, State())
    tts = policy().tenants[0]
    assert (look.level(tts), look.guard(tts)) == (FLOOR + GIB, GUARD + GIB)


def test_a_tenant_at_its_peak_leaves_a_full_card() -> None:
    full = Case(replicas=1, pods=1, ready=True, own=PEAK, free=0)
    assert reason(full) == reasons.GUARD_YIELD
    assert reason(full.but(free=GUARD - PEAK)) == reasons.RUNNING


def elsewhere(case: Case, **used: int) -> View:
    """Return the case with pods of these tenants on a second card."""
    view = case.view()
    residents = tuple(Resident("b", name, name, f"{name}-0", size, size) for name, size in used.items())
    other = replace(view.reading.cards[0], name="b", used_bytes=sum(used.values()), free_bytes=0)
    reading = replace(view.reading, cards=(*view.reading.cards, other), residents=(*view.reading.residents, *residents))
    return replace(view, reading=reading)


def test_what_a_tenant_holds_on_another_card_gives_it_nothing_on_its_own() -> None:
    case = Case(free=LLM_PEAK + FLOOR - 1)
    assert reason(case) == reasons.NO_ROOM
    (tts, _), _ = decide(policy(), elsewhere(case, llm=LLM_PEAK), OPEN, State())
    assert tts.reason == reasons.NO_ROOM, "llm may still take its peak here"
    case = Case(replicas=1, pods=1, ready=True, free=GUARD - 1, admitted=MIN_RUN)
    (tts, _), _ = decide(policy(), elsewhere(case, tts=PEAK), OPEN, case.state())
    assert tts.reason == reasons.GUARD_YIELD


def test_what_a_stopped_tenant_holds_on_another_card_is_not_freed() -> None:
    (tts, _), _ = decide(policy(), elsewhere(Case(), tts=GIB), OPEN, State())
    assert (tts.reason, tts.verified) == (reasons.NOT_FREED, False)


def test_use_that_cannot_be_told_apart_counts_as_others() -> None:
    case = Case(replicas=1, pods=1, ready=True, own=PEAK, free=GUARD - 1, attributable=False)
    assert reason(case) == reasons.GUARD_YIELD
    assert reason(case.but(attributable=True)) == reasons.RUNNING
    assert reason(Case(own=GIB, attributable=False)) == reasons.ADMITTED


# --- time ---


@pytest.mark.parametrize(
    ("demand", "idle", "expected"),
    [
        (0, IDLE_GRACE, reasons.GUARD_YIELD),
        (0, None, reasons.GUARD_YIELD),
        (None, IDLE_GRACE, reasons.GUARD_YIELD),
    ],
)
def test_the_minimum_run_holds_nobody_against_the_guard(
    demand: float | None, idle: float | None, expected: str
) -> None:
    case = Case(replicas=1, pods=1, asked=True, demand=demand, idle=idle, admitted=MIN_RUN - 1, free=0)
    assert reason(case) == expected
    assert reason(case.but(open=False)) == reasons.OUTSIDE_WINDOW


@pytest.mark.parametrize(
    ("demand", "idle", "remembered"),
    [
        (0, None, 0),
        (0, 30, 30),
        (None, None, None),
        (None, 30, 30),
        (2, 30, None),
        (float("nan"), 30, 30),
        (-1, 30, 30),
    ],
)
def test_only_a_parsed_number_moves_the_idle_clock(
    demand: float | None, idle: float | None, remembered: float | None
) -> None:
    _, memory = Case(replicas=1, pods=1, asked=True, demand=demand, idle=idle).decide()
    assert memory.idle_since == (None if remembered is None else NOW - remembered)


def test_what_is_no_number_is_no_demand() -> None:
    for demand in (float("nan"), float("inf"), -1.0):
        assert reason(Case(asked=True, demand=demand)) == reasons.DEMAND_UNKNOWN


@pytest.mark.parametrize(
    ("replicas", "demand", "idle", "expected"),
    [
        (0, 3, None, reasons.ADMITTED),
        (0, 0, None, reasons.OUTSIDE_WINDOW),
        (0, None, None, reasons.OUTSIDE_WINDOW),
        (1, 3, None, reasons.RUNNING),
        (1, 0, None, reasons.RUNNING),
        (1, 0, IDLE_GRACE, reasons.OUTSIDE_WINDOW),
        (1, None, None, reasons.RUNNING),
        (1, None, IDLE_GRACE, reasons.OUTSIDE_WINDOW),
    ],
)
def test_demand_at_any_time_opens_a_closed_window(
    replicas: int, demand: float | None, idle: float | None, expected: str
) -> None:
    case = Case(
        open=False, any_time=True, asked=True, replicas=replicas, pods=replicas, ready=True, demand=demand, idle=idle
    )
    assert reason(case) == expected
    _, memory = case.decide()
    if demand is None:
        assert memory.idle_since == CLOSED.timestamp() - (idle or 0)


def test_who_yields_waits_out_its_cool_down() -> None:
    case = Case(replicas=1, pods=1, free=0)
    _, memory = case.decide()
    assert memory.cool_down_until == NOW + COOL_DOWN
    assert reason(Case(cool=1)) == reasons.COOL_DOWN
    assert reason(Case(cool=0)) == reasons.ADMITTED


def test_an_admission_begins_its_own_times() -> None:
    _, memory = Case(admitted=500, unready=500, idle=50).decide()
    assert (memory.admitted_at, memory.loading_since, memory.changed_at) == (NOW, NOW, NOW)
    _, kept = Case(replicas=1, pods=1, admitted=500, unready=200, target=1).decide()
    assert (kept.admitted_at, kept.loading_since) == (NOW - 500, NOW - 200)
    _, ready = Case(replicas=1, pods=1, ready=True, admitted=500, unready=200, target=1).decide()
    assert ready.loading_since is None


def test_changes_are_counted_for_an_hour() -> None:
    old = State({"tts": TenantState(target=0, transitions=(NOW - 3601, NOW - 3600, NOW - 3599))})
    assert settled(old, NOW, COOL_DOWN).of("tts").transitions == (NOW - 3599,)
    assert reason(Case(turns=CAP - 2)) == reasons.ADMITTED
    assert reason(Case(turns=CAP - 1)) == reasons.CAPPED
    _, memory = Case(replicas=1, pods=1, target=1, open=False, turns=CAP).decide()
    assert (memory.target, len(memory.transitions)) == (0, CAP + 1)


def test_strangers_changes_are_told_and_not_counted() -> None:
    for case, expected in (
        (Case(replicas=1, pods=1, target=0), reasons.FOREIGN_START),
        (Case(replicas=0, target=1), reasons.FOREIGN_STOP),
        (Case(replicas=3, pods=3, target=1, ready=True), reasons.FOREIGN_SCALE),
    ):
        decision, memory = case.decide()
        assert (decision.reason, memory.transitions) == (expected, ())
        assert decision.target_replicas == memory.target == (1 if case.replicas == 3 else 0)
        assert memory.changed_at == (None if case.replicas == 3 else NOW)


@pytest.mark.parametrize(("change", "why"), [({"enabled": False}, reasons.DISABLED), ({}, reasons.FOREIGN_START)])
def test_one_that_somebody_started_gives_its_room_back_while_it_goes(change: dict[str, Any], why: str) -> None:
    # Without what tts is about to give back, ocr (whose guard is 3 GiB) would have to leave.
    case = Case(replicas=1, pods=1, target=0, changed=3600, own=PEAK, free=0, ocr="loaded", priority=-1, **change)
    decisions, state = decide(case.policy(), case.view(), case.now, case.state())
    assert [(one.tenant, one.target_replicas) for one in decisions] == [("tts", 0), ("ocr", 1)]
    assert (decisions[0].reason, state.of("tts").changed_at) == (why, NOW)
    after = case.but(replicas=0)
    decisions, _ = decide(case.policy(), after.view(), case.now, state)
    assert [(one.tenant, one.target_replicas) for one in decisions] == [("tts", 0), ("ocr", 1)]


def test_what_the_api_does_not_say_is_left_alone_and_told_once() -> None:
    decision, memory = Case(replicas=None, target=0).decide()
    assert (decision.target_replicas, decision.changed, memory.target) == (None, False, 0)
    for target, changed in ((1, True), (None, True), (0, False)):
        decision, memory = Case(replicas=None, target=target, open=False).decide()
        assert (decision.target_replicas, decision.changed, memory.target) == (0, changed, 0)


def test_its_own_remains_are_first_on_their_way_then_not_freed() -> None:
    case = Case(pods=1, own=GIB, target=0)
    assert reason(case.but(changed=MAX_AGE - 1)) == reasons.DRAINING
    assert reason(case.but(changed=MAX_AGE)) == reasons.NOT_FREED
    assert reason(case.but(changed=None)) == reasons.NOT_FREED


# --- clocks and memory ---


def test_a_clock_put_back_lengthens_no_wait_and_no_grace() -> None:
    ahead = TenantState(
        changed_at=NOW + 3600,
        cool_down_until=NOW + 3600 + COOL_DOWN,
        seen_at=NOW + 3600,
        idle_since=NOW + 3600,
        admitted_at=NOW + 3600,
        loading_since=NOW + 3600,
        transitions=(NOW + 3600,),
    )
    now = settled(State({"tts": ahead}), NOW, COOL_DOWN)
    assert now.of("tts") == TenantState(
        changed_at=NOW,
        cool_down_until=NOW + COOL_DOWN,
        seen_at=NOW,
        idle_since=NOW,
        admitted_at=NOW,
        loading_since=NOW,
        transitions=(NOW,),
    )


def test_a_target_that_nobody_sees_uses_up_no_changes() -> None:
    case = Case(replicas=None, target=0)
    state = case.state()
    for _ in range(CAP + 1):
        decisions, state = decide(policy(), case.view(), OPEN, state)
        assert (decisions[0].reason, decisions[0].target_replicas) == (reasons.TARGET_UNKNOWN, None)
    assert (state.of("tts").transitions, state.of("tts").changed_at) == ((), None)


def test_without_its_memory_the_gate_admits_nobody_for_a_while() -> None:
    state = lost(["tts", "ocr"], NOW, COOL_DOWN, CAP)
    assert both(Case(), state=state)[0]["tts"].reason == reasons.COOL_DOWN
    rested = State({"tts": replace(state.of("tts"), cool_down_until=None)})
    assert both(Case(), state=rested)[0]["tts"].reason == reasons.CAPPED
    running = Case(replicas=1, pods=1, ready=True, own=PEAK)
    assert both(running, state=state)[0]["tts"].reason == reasons.RUNNING
    assert both(running.but(blind="problem"), state=state)[0]["tts"].reason == reasons.BLIND_YIELD


GOOD = dump(State({"tts": TenantState(target=1, transitions=(NOW,))}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((), []),
        ((), {}),
        (("tenants",), None),
        (("owed",), {"tts": "much"}),
        (("tenants", "tts"), {}),
        (("tenants", "tts", "target"), 2),
        (("tenants", "tts", "target"), True),
        (("tenants", "tts", "target"), 1.0),
        (("tenants", "tts", "seen_at"), float("nan")),
        (("tenants", "tts", "seen_at"), True),
        (("tenants", "tts", "transitions"), None),
        (("tenants", "tts", "transitions"), [None]),
    ],
)
def test_a_memory_that_the_gate_did_not_write_is_refused(path: tuple[str, ...], value: Any) -> None:
    kept: Any = json.loads(json.dumps(GOOD))
    assert load(kept) == State({"tts": TenantState(target=1, transitions=(NOW,))})
    if not path:
        kept = value
    else:
        parent = kept
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = value
    with pytest.raises(InputError, match="empty the stored state"):
        load(kept)
