"""A demand probe that fails or says nonsense changes nothing; only a number that was read does."""

from __future__ import annotations

import pytest

from tests.integration.gating_cases import Batch, Case, Cases, Try, admitted, left, reason, told
from tests.integration.gating_lanes import Lane
from tests.integration.gating_proxy import Fault, answers, cut, on, silent

CASES = Cases("Demand")
QUEUE = "/queue"


def asks(waiting: object) -> Fault:
    """Return what a queue with so many waiting answers."""
    return on(QUEUE, "GET", answers({"queue": {"waiting": waiting}}))


def plan(lane: Lane) -> dict[str, object]:
    demand = {"url": lane.metrics.url + QUEUE, "path": "queue.waiting"}
    return lane.plan(gate={"idle_grace": "4s", "tenants": {"tts": {"demand": demand}}})


@CASES.case("nobody asks", does="Admits nobody; does when somebody asks.", reasons="NO_DEMAND ADMITTED")
def nobody(lane: Lane) -> None:
    lane.metrics.fault = asks(0)
    gate = lane.gate(plan(lane))
    lane.until(lambda: reason(gate, "NO_DEMAND"), "it to wait")
    gate.ticks(2)
    assert not lane.scaled()
    lane.metrics.fault = asks(3)
    told(lane, "ADMITTED")


@CASES.case("nobody asks any more", does="Leaves after the idle grace.", reasons="ADMITTED IDLE")
def idle(lane: Lane) -> None:
    lane.metrics.fault = asks(1)
    lane.gate(plan(lane))
    lane.until(lane.running, "the admission")
    lane.metrics.fault = asks(0)
    left(lane, "ADMITTED", "IDLE")


def fails(fault: Fault) -> Try:
    """It fails before anybody runs, is read once, and fails again while the tenant runs."""

    def trial(lane: Lane) -> None:
        lane.metrics.fault = on(QUEUE, "GET", fault)
        gate = lane.gate(plan(lane))
        lane.until(lambda: reason(gate, "DEMAND_UNKNOWN"), "it to be noticed")
        gate.ticks(2)
        assert not lane.scaled()
        lane.metrics.fault = asks(1)
        told(lane, "ADMITTED")
        lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
        lane.metrics.fault = on(QUEUE, "GET", fault)
        gate.ticks(7)
        assert reason(gate, "RUNNING"), "longer than the idle grace"
        told(lane, "ADMITTED")

    return trial


NOTHING = "Changes nothing: admits nobody, and who runs stays."
for name, fault, code in (
    ("the queue breaks the connection", cut, "demand_closed"),
    ("the queue answers 500", answers("", 500), "demand_500"),
    ("the queue is hidden by a login page", answers("<html>", 200, "text/html"), "demand_unparseable"),
    ("the queue's JSON has another shape", answers({"waiting": 3}), "demand_unparseable"),
    ("the queue says a negative number", answers({"queue": {"waiting": -1}}), "demand_unparseable"),
    ("the queue says a number as text", answers({"queue": {"waiting": "3"}}), "demand_unparseable"),
    ("the queue takes connections and never answers", silent(30), "demand_timeout"),
    ("the queue says NaN", answers('{"queue":{"waiting":NaN}}'), "demand_unparseable"),
):
    CASES.add(name, fails(fault), does=NOTHING, reasons="DEMAND_UNKNOWN ADMITTED RUNNING", error=code)


@CASES.case(
    "the queue takes connections and never answers, and a resident grows",
    does="Yields at once, and is never blind: a look waits half a second for the queue, once.",
    reasons="ADMITTED GUARD_YIELD",
    error="demand_timeout",
)
def hangs(lane: Lane) -> None:
    lane.metrics.fault = asks(1)
    gate = admitted(lane, policy=plan(lane))
    lane.metrics.fault = on(QUEUE, "GET", silent(30))
    lane.until(lambda: "demand_timeout" in gate.errors(), "it to be noticed")
    gate.ticks(7)
    assert (gate.metric("tick_seconds") or 0) < 1
    lane.crowd()
    left(lane, "ADMITTED", "GUARD_YIELD")
    assert not {line.get("reason") for line in gate.lines()} & {"BLIND", "BLIND_GRACE", "BLIND_YIELD"}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
