"""Gates that die between any two steps, and gates that meet."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import datetime

import pytest

from tests.integration.gating import Gate, never
from tests.integration.gating_cases import Batch, Case, Cases, Try, admitted, left, reason, stuck, told
from tests.integration.gating_lanes import Lane
from tests.integration.gating_proxy import Answer, Asked, cut, cut_after, first, honest, on

CASES = Cases("The gate dies")
TWO = "Two gates at once"

NEXT = "The next gate ends what was begun: one change, one Event."


def dies(lane: Lane, part: str, verb: str, *, after: bool) -> None:
    """Let the lane's running gate be killed when it makes that request, before or after the API server has heard it."""

    def fault(asked: Asked, real: Callable[[], Answer]) -> Answer:
        if lane.gates_of_case[-1].process.poll() is None:
            lane.gates_of_case[-1].process.kill()
            return (cut_after if after else cut)(asked, real)
        return real()

    lane.api.fault = on(part, verb, first(1, fault))


def killed(lane: Lane, gate: Gate) -> None:
    lane.until(lambda: gate.process.poll() is not None, "the gate to be killed")
    lane.api.fault = honest


def dies_admitting(part: str, verb: str, *, after: bool) -> Try:
    def trial(lane: Lane) -> None:
        dies(lane, part, verb, after=after)
        killed(lane, lane.gate())
        gate = lane.gate()
        lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
        told(lane, "ADMITTED")

    return trial


def dies_yielding(part: str, verb: str, *, after: bool) -> Try:
    def trial(lane: Lane) -> None:
        gate = admitted(lane)
        told(lane, "ADMITTED")
        dies(lane, part, verb, after=after)
        lane.crowd()
        killed(lane, gate)
        lane.gate()
        left(lane, "ADMITTED", "GUARD_YIELD")

    return trial


for what, build, code in (("an admission", dies_admitting, "ADMITTED"), ("a yield", dies_yielding, "GUARD_YIELD")):
    for step, part, verb in (
        ("the state is kept", "/configmaps", "PATCH"),
        ("the target is scaled", "/scale", "PATCH"),
        ("the Event is created", "/events", "POST"),
    ):
        for after in (False, True):
            name = f"the gate is killed {'after' if after else 'before'} {step}, in {what}"
            CASES.add(name, build(part, verb, after=after), does=NEXT, reasons=code)


@CASES.case(
    "the gate is killed while the tenant runs",
    does="The next gate finds it as it should be: no change.",
    reasons="RUNNING",
)
def killed_running(lane: Lane) -> None:
    admitted(lane).stop(signal.SIGKILL)
    gate = lane.gate()
    lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run on")
    gate.ticks(2)
    told(lane, "ADMITTED")


@CASES.case(
    "the gate is dead when the window ends",
    does="The next gate takes the tenant to 0 at its first look.",
    reasons="OUTSIDE_WINDOW",
)
def dead_at_the_end(lane: Lane) -> None:
    admitted(lane).stop(signal.SIGKILL)
    lane.gate(lane.plan(windows=never()))
    left(lane, "ADMITTED", "OUTSIDE_WINDOW")


@CASES.case("the gate is killed during a cool-down", does="The next gate waits out the rest.", reasons="COOL_DOWN")
def killed_cooling(lane: Lane) -> None:
    policy = lane.plan(gate={"cool_down": "10m"})
    gate = admitted(lane, policy=policy)
    lane.crowd()
    left(lane, "ADMITTED", "GUARD_YIELD")
    gate.stop(signal.SIGKILL)
    lane.calm()
    again = lane.gate(policy)
    lane.until(lambda: reason(again, "COOL_DOWN"), "the cool-down")
    again.ticks(3)
    told(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "the gate is killed while the card is not freed",
    does="The next gate keeps the card shut.",
    reasons="NOT_FREED ADMITTED",
)
def killed_unfreed(lane: Lane) -> None:
    gate = admitted(lane)
    pod = stuck(lane)
    told(lane, "ADMITTED", "GUARD_YIELD")
    gate.stop(signal.SIGKILL)
    again = lane.gate()
    lane.until(lambda: reason(again, "NOT_FREED"), "the card to be shut")
    again.ticks(2)
    assert lane.replicas() == 0
    lane.keep(pod, [])
    told(lane, "ADMITTED", "GUARD_YIELD", "ADMITTED")


@CASES.case(
    "the gate is restarted while blind",
    does="The grace goes on: a restart is no reason to stay.",
    reasons="BLIND_YIELD",
    error="blind_http_status",
)
def killed_blind(lane: Lane) -> None:
    gate = admitted(lane)
    told(lane, "ADMITTED")
    for exporter in ("dcgm", "gpu-pod-exporter"):
        lane.control("fault", exporter=exporter, fault="http_500")
    lane.until(lambda: "blind_http_status" in gate.errors(), "the fault to show")
    gate.stop(signal.SIGKILL)
    again = lane.gate()
    left(lane, "ADMITTED", "BLIND_YIELD")
    (line,) = again.lines("transition")
    began, yielded = (datetime.fromisoformat(one["time"]) for one in (again.lines()[0], line))
    own = (yielded - began).total_seconds()
    assert line["numbers"]["blind_seconds"] > own + 0.5, f"a grace of its own: it was blind itself for {own} s only"


@CASES.case(
    "the gate is told to stop (SIGTERM) in the middle of a look",
    does="Ends the look, changes nothing else, exits with 0.",
    reasons="ADMITTED",
)
def terminated(lane: Lane) -> None:
    def fault(_asked: Asked, real: Callable[[], Answer]) -> Answer:
        lane.gates_of_case[-1].process.terminate()
        return real()

    lane.api.fault = on("/scale", "PATCH", first(1, fault))
    gate = lane.gate()
    lane.until(lambda: gate.process.poll() is not None, "the gate to end")
    assert gate.process.returncode == 0
    told(lane, "ADMITTED")
    lane.until(lambda: lane.replicas() == 1, "the tenant to be where the look has brought it")


@CASES.case(
    "two gates start at once",
    does="The state is written over the version that was read only: one acts.",
    reasons="ADMITTED GUARD_YIELD",
    group=TWO,
)
def two(lane: Lane) -> None:
    gates = [lane.gate(), lane.gate()]
    lane.until(lane.running, "the admission")
    lane.crowd()
    left(lane)
    for gate in gates:
        gate.ticks(3)
    told(lane, "ADMITTED", "GUARD_YIELD")
    assert sorted(line for gate in gates for line in gate.reasons()) == ["ADMITTED", "GUARD_YIELD"]


@CASES.case(
    "a gate that hung for a while wakes beside its successor",
    does="Its first write is refused; it looks anew.",
    reasons="ADMITTED GUARD_YIELD COOL_DOWN",
    error="state_409",
    group=TWO,
)
def woken(lane: Lane) -> None:
    policy = lane.plan(gate={"cool_down": "10m"})
    lane.crowd()
    old = lane.ready(lane.gate(policy))
    old.process.send_signal(signal.SIGSTOP)
    lane.calm()
    lane.gate(policy)
    lane.until(lane.running, "the admission")
    lane.crowd()
    left(lane)
    # As far as the old one knows, the tenant may come in now.
    lane.calm()
    old.process.send_signal(signal.SIGCONT)
    lane.until(lambda: "state_409" in old.errors(), "its first write to be refused")
    lane.until(lambda: reason(old, "COOL_DOWN"), "it to know of its successor's cool-down")
    old.ticks(2)
    told(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case("two gates and an answer that gets lost", does="One change, one Event.", reasons="ADMITTED", group=TWO)
def two_and_lost(lane: Lane) -> None:
    lane.api.fault = on("/scale", "PATCH", first(1, cut_after))
    gates = [lane.gate(), lane.gate()]
    lane.until(lane.running, "the admission")
    for gate in gates:
        gate.ticks(3)
    told(lane, "ADMITTED")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
