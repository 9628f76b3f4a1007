"""The whole small state space of one look: who may run is said a second time here, as conditions without an order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.core import reasons
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_json import dump, load
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import Decision
from tests.unit.plugins.module_utils.core.gate_cases import (
    CAP,
    FLOOR,
    GIB,
    GRACE,
    GUARD,
    IDLE_GRACE,
    LLM_PEAK,
    MARGIN,
    MIN_RUN,
    OCR_PEAK,
    PEAK,
    RESERVED,
    TOTAL,
    Case,
)

OCR_RUNS = ("unknown", "loading", "running", "loaded")


def ocr_expected(case: Case) -> int:
    return max(OCR_PEAK, case.ocr_live) if case.ocr in OCR_RUNS else case.ocr_live


def worst_case(case: Case) -> int:
    """Return what everybody but tts takes at most, with the driver's share: the left side of I5."""
    return RESERVED + case.nameless + max(LLM_PEAK, case.llm) + ocr_expected(case)


def must_not_run(case: Case) -> bool:
    known_demand = None if case.replicas is None else case.demand
    idle_long = known_demand == 0 and case.idle is not None and case.idle >= IDLE_GRACE
    run_long = case.admitted is None or case.admitted >= MIN_RUN
    tight = TOTAL - RESERVED - (TOTAL - RESERVED - case.free - case.own - case.ocr_live + ocr_expected(case)) < GUARD
    unseen_long = case.seen is None or case.seen >= GRACE
    return (
        not case.enabled
        or not case.open
        or (case.replicas is not None and case.target == 0)
        or (bool(case.blind) and unseen_long)
        or (not case.blind and ((idle_long and run_long) or (tight and case.yields)))
    )


def may_enter(case: Case) -> bool:
    return (
        case.enabled
        and case.open
        and not case.blind
        and case.target != 1
        and (not case.asked or bool(case.demand))
        and case.pods == case.own == case.cool == 0
        and case.owed in ("", "paid")
        and case.turns + 2 <= CAP
        and case.ocr not in ("unknown", "loading", "draining")
        and worst_case(case) + PEAK + MARGIN <= TOTAL
    )


def walk_running() -> Iterator[Case]:
    dimensions: Iterable[tuple[Any, ...]] = itertools.product(
        (True, False),  # window
        (True, False),  # enabled
        (True, False),  # may yield
        ("", "problem"),  # blind
        (None, 1, 2),  # replicas
        (None, 0, 1),  # told
        (None, GRACE - 1, GRACE),  # seen
        (GUARD - GIB, GUARD - GIB - 1),  # free
        (GIB, 0),  # own use
        ("", "running"),  # the other tenant
        ((False, None, None), (True, None, IDLE_GRACE), (True, 0, IDLE_GRACE), (True, 0, IDLE_GRACE - 1)),  # demand
        (MIN_RUN - 1, MIN_RUN),  # admitted
    )
    for open_, enabled, yields, blind, replicas, target, seen, free, own, ocr, demand, admitted in dimensions:
        reserve = OCR_PEAK - GIB if ocr else 0
        yield Case(
            open=open_,
            enabled=enabled,
            yields=yields,
            blind=blind,
            replicas=replicas,
            target=target,
            seen=seen,
            free=free + reserve,
            own=own,
            ocr=ocr,
            pods=replicas or 0,
            ready=bool(demand[0]),
            admitted=admitted,
            asked=demand[0],
            demand=demand[1],
            idle=demand[2],
            priority=-1,
        )


def walk_waiting() -> Iterator[Case]:
    dimensions: Iterable[tuple[Any, ...]] = itertools.product(
        (True, False),  # window
        (True, False),  # enabled
        ("", "problem"),  # blind
        (None, 0, 1),  # told
        (0, 1),  # pods
        (0, GIB),  # own use
        (0, 30),  # cool-down
        (CAP - 2, CAP - 1),  # changes
        (0, LLM_PEAK + GIB),  # llm
        ("", "unknown", "loading", "running", "loaded", "draining"),  # the other tenant
        ((False, None), (True, None), (True, 0), (True, 2)),  # demand
        (0, -1),  # room
        ("", "tts", "ocr", "paid"),  # owed
    )
    for open_, enabled, blind, target, pods, own, cool, turns, llm, ocr, demand, room, owed in dimensions:
        if owed and (enabled, demand[0], cool, turns) != (True, False, 0, CAP - 2):
            continue  # each of these is tried with nothing owed
        reserve = OCR_PEAK - Case(ocr=ocr).ocr_live if ocr in OCR_RUNS else 0
        yield Case(
            open=open_,
            enabled=enabled,
            blind=blind,
            target=target,
            pods=pods,
            own=own,
            cool=cool,
            turns=turns,
            llm=llm,
            ocr=ocr,
            asked=demand[0],
            demand=demand[1],
            free=FLOOR + max(0, LLM_PEAK - llm) + reserve + room,
            owed=owed,
        )


def is_whole(case: Case, decision: Decision) -> None:
    assert decision.reason in reasons.SENTENCES, case
    assert decision.target_replicas in (None, 0, 1), case
    assert (decision.target_replicas is None) <= (case.replicas is None), case
    json.dumps(dict(decision.numbers), allow_nan=False)
    if case.replicas is not None:
        assert decision.changed == (decision.target_replicas != case.replicas), case
    gone = case.replicas == 0 and case.pods == 0 and case.own == 0 and not case.blind and case.owed != "tts"
    assert decision.verified == gone, case


def test_a_running_tenant_leaves_if_and_only_if_it_must() -> None:
    seen, count = set(), 0
    for case in walk_running():
        count += 1
        decision, state = case.look()
        memory = state.of("tts")
        is_whole(case, decision)
        assert (decision.target_replicas == 0) == must_not_run(case), (case, decision)
        leaves = decision.target_replicas == 0 and (case.replicas is not None or case.target != 0)
        assert ("tts" in state.owed) == leaves, case
        waits = decision.reason in (reasons.GUARD_YIELD, reasons.BLIND_YIELD)
        assert (memory.cool_down_until is not None) == waits, case
        assert (memory.seen_at == case.now.timestamp()) == (not case.blind), case
        if decision.target_replicas == 0 and case.replicas is not None:
            assert (memory.target, memory.admitted_at, memory.loading_since) == (0, None, None), case
        seen.add(decision.reason)
    assert count > 25_000
    assert seen == {
        reasons.DISABLED,
        reasons.OUTSIDE_WINDOW,
        reasons.FOREIGN_START,
        reasons.BLIND_GRACE,
        reasons.BLIND_YIELD,
        reasons.IDLE,
        reasons.GUARD_YIELD,
        reasons.TARGET_UNKNOWN,
        reasons.FOREIGN_SCALE,
        reasons.NEVER_YIELDS,
        reasons.MIN_RUN,
        reasons.RUNNING,
        reasons.LOADING,
    }


def test_a_waiting_tenant_enters_if_and_only_if_it_may() -> None:
    seen, count = set(), 0
    for case in walk_waiting():
        count += 1
        decision, state = case.look()
        memory = state.of("tts")
        is_whole(case, decision)
        assert (decision.target_replicas == 1) == may_enter(case), (case, decision)
        unpaid = case.owed == "tts" or (case.owed == "paid" and bool(case.blind or case.pods or case.own))
        assert ("tts" in state.owed) == (unpaid or case.target == 1), case
        assert len(memory.transitions) == case.turns + (decision.target_replicas or 0), case
        if decision.target_replicas:
            assert (memory.target, memory.admitted_at) == (1, case.now.timestamp())
        seen.add(decision.reason)
    assert count > 25_000
    assert seen == {
        reasons.DISABLED,
        reasons.OUTSIDE_WINDOW,
        reasons.FOREIGN_STOP,
        reasons.BLIND,
        reasons.DEMAND_UNKNOWN,
        reasons.NO_DEMAND,
        reasons.NOT_FREED,
        reasons.COOL_DOWN,
        reasons.CAPPED,
        reasons.CARD_NOT_FREED,
        reasons.CARD_BUSY,
        reasons.NO_ROOM,
        reasons.ADMITTED,
    }


def test_nobody_enters_on_a_reading_that_does_not_speak_of_its_card_now() -> None:
    causes = {
        "": None,
        "problem": "unreachable",
        "card": "no_reading",
        "old": "stale",
        "late": "stale",
        "early": "stale",
    }
    for blind, cause in causes.items():
        decision, _ = Case(blind=blind).decide()
        assert decision.numbers.get("blind") == cause
        assert decision.reason == (reasons.BLIND if cause else reasons.ADMITTED)


def test_every_state_survives_being_kept_as_json() -> None:
    for case in itertools.islice(walk_running(), 0, None, 997):
        assert load(json.loads(json.dumps(dump(case.state())))) == case.state()
