"""What people do to the tenant and to the policy: it is put right, and said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.gating import never
from tests.integration.gating_cases import Batch, Case, Cases, Try, admitted, left, reason, told
from tests.integration.gating_lanes import Lane

CASES = Cases("Other people's hands")
POLICY = "The policy"


@CASES.case(
    "somebody starts the tenant on a full card",
    does="Puts it back to 0 and says so by a Warning.",
    reasons="FOREIGN_START",
)
def started(lane: Lane) -> None:
    lane.crowd()
    gate = lane.ready(lane.gate())
    lane.scale(1)
    lane.until(lambda: "FOREIGN_START" in gate.reasons(), "the gate to notice")
    left(lane, "FOREIGN_START")
    assert [one["type"] for one in lane.events()] == ["Warning"]


@CASES.case("somebody starts the tenant outside its window", does="Puts it back to 0.", reasons="OUTSIDE_WINDOW")
def started_outside(lane: Lane) -> None:
    gate = lane.ready(lane.gate(lane.plan(windows=never())))
    lane.scale(1)
    lane.until(lambda: gate.reasons() and lane.gone(), "the tenant to have left")
    told(lane, "OUTSIDE_WINDOW")


@CASES.case(
    "an autoscaler starts it again and again outside its window",
    does="Puts it back to 0 each time.",
    reasons="OUTSIDE_WINDOW",
)
def fought(lane: Lane) -> None:
    lane.ready(lane.gate(lane.plan(windows=never())))
    for round_ in range(3):
        lane.scale(1)
        told(lane, *["OUTSIDE_WINDOW"] * (round_ + 1))
    left(lane)


@CASES.case(
    "somebody stops the tenant",
    does="Says so by a Warning, and looks anew whether there is room.",
    reasons="FOREIGN_STOP ADMITTED",
)
def stopped(lane: Lane) -> None:
    admitted(lane)
    lane.scale(0)
    lane.until(lambda: [one for one in lane.events() if one["reason"] == "FOREIGN_STOP"], "the Warning")
    told(lane, "ADMITTED", "ADMITTED")


@CASES.case("somebody gives it three replicas", does="Puts it back to 1.", reasons="FOREIGN_SCALE")
def multiplied(lane: Lane) -> None:
    gate = admitted(lane)
    lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
    # Small enough for the card to hold three: else it yields, if they have loaded before the next look.
    lane.control("set", workload="tts", idle="1Gi")
    lane.scale(3)
    told(lane, "ADMITTED", "FOREIGN_SCALE")
    lane.until(lambda: (lane.replicas(), lane.pods(), lane.held()) == (1, 1, 1024), "one to be left")


@CASES.case(
    "the tenant is disabled in the middle of its window",
    does="Takes it to 0 and verifies it (I7).",
    reasons="DISABLED",
    group=POLICY,
)
def disabled(lane: Lane) -> None:
    gate = admitted(lane)
    gate.write_policy(lane.plan(gate={"tenants": {"tts": {"enabled": False}}}))
    left(lane)
    gate.ticks(2)
    told(lane, "ADMITTED", "DISABLED")


def bad(text: str) -> Try:
    """The policy turns bad in the middle of a window: the last good one stays in force and admits nobody."""

    def trial(lane: Lane) -> None:
        gate = admitted(lane)
        gate.write_policy(text)
        lane.until(lambda: gate.metric("policy_valid") == 0, "the bad policy to be told")
        gate.ticks(2)
        assert lane.replicas() == 1, "who runs under the last good policy goes on"
        lane.crowd()
        lane.until(lane.gone, "the guard of the last good policy")
        lane.calm()
        lane.until(lambda: reason(gate, "POLICY_REFUSED"), "the admission to be refused")
        gate.write_policy(lane.plan())
        told(lane, "ADMITTED", "GUARD_YIELD", "ADMITTED")

    return trial


LAST_GOOD = "Keeps to the last good one, says so, admits nobody until there is a good one."
for name, text in (
    ("the policy is no JSON", "{"),
    ("the policy is empty", ""),
    ("the policy is a list", "[]"),
):
    CASES.add(name, bad(text), does=LAST_GOOD, reasons="GUARD_YIELD POLICY_REFUSED", error="policy", group=POLICY)


def refused(said: str, changes: dict[str, Any]) -> Try:
    """A policy that is bad from the start admits nobody, and the log says what is wrong."""

    def trial(lane: Lane) -> None:
        gate = lane.gate(lane.plan(**changes))
        lane.until(lambda: gate.metric("policy_valid") == 0, "the bad policy to be told")
        (line,) = gate.lines("policy")
        assert said in line["problem"], line
        gate.ticks(2)
        assert (lane.scaled(), gate.status("/healthz"), gate.status("/readyz")) == ([], 200, 503)

    return trial


WINDOW = {"start": "02:00", "end": "06:00", "timezone": "Europe/London"}
for name, said, changes in (
    ("a floor below peak and margin", "floor", {"floor": "1Gi"}),
    ("an unknown time zone", "timezone", {"windows": [{**WINDOW, "timezone": "Europe/Lundon"}]}),
    ("an impossible time", "start", {"windows": [{**WINDOW, "start": "25:00"}]}),
    ("a window that ends when it begins", "end", {"windows": [{**WINDOW, "end": "02:00"}]}),
    ("a misspelt weekday", "days", {"windows": [{**WINDOW, "days": ["mond"]}]}),
    ("a tick longer than the shortest window", "tick", {"gate": {"tick": "5h"}, "windows": [WINDOW]}),
):
    does = "Admits nobody; the log names the place, the value and the remedy."
    CASES.add(name, refused(said, changes), does=does, error="policy", group=POLICY)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
