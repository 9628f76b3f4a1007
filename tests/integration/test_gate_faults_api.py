"""What the API server can do to a gate for a while: nobody is admitted twice, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.integration.gating import never
from tests.integration.gating_cases import Batch, Case, Cases, Try, admitted, left, reason, told
from tests.integration.gating_faults import both
from tests.integration.gating_lanes import Lane
from tests.integration.gating_proxy import (
    Answer,
    Fault,
    answers,
    cut,
    cut_after,
    first,
    honest,
    on,
    silent,
    slow,
    status,
)

CASES = Cases("API server: it fails for a while")

SCALE, EVENTS, STATE, PODS = "/scale", "/events", "/configmaps", "/pods"
ONCE = "It asks again, at this look or the next: one admission, one Event."


def survived(build: Callable[[], Fault], kinds: int = 1) -> Try:
    """Somebody is to be admitted while it strikes so many kinds of requests; it is over after some of each."""

    def trial(lane: Lane) -> None:
        lane.api.fault = build()
        gate = lane.gate()
        told(lane, "ADMITTED")
        lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
        told(lane, "ADMITTED")
        struck = {(one.method, kind(one.path)) for one in lane.api.asked if one.lied}
        assert len(struck) == kinds, struck

    return trial


def kind(path: str) -> str:
    """Return what a path is about."""
    return next(part for part in (SCALE, EVENTS, STATE, PODS) if part in path)


FAILURES: list[tuple[str, Callable[[], Fault], int]] = [
    ("409", lambda: status(409, "the object has been modified"), 2),
    ("429", lambda: status(429, "slow down", retry_after="1"), 4),
    ("500", lambda: status(500, "etcdserver: leader changed"), 4),
    ("503", lambda: status(503, "unavailable"), 4),
    ("A connection that is cut", lambda: cut, 3),
    ("An answer that gets lost", lambda: cut_after, 2),
    ("An HTML page", lambda: answers("<html>", 200, "text/html"), 2),
]
WRITES = (("the scale", SCALE, "PATCH"), ("the state", STATE, "PATCH"), ("an Event", EVENTS, "POST"))
EACH = (("the pods", PODS, "GET"), ("the scale", SCALE, "GET"), ("the state", STATE, "GET"), *WRITES)


def on_each(build: Callable[[], Fault], count: int) -> Fault:
    """Return a fault that strikes the first requests of every kind."""
    fault: Fault = honest
    for _what, part, verb in EACH:
        fault = both(fault, on(part, verb, first(count, build())))
    return fault


def on_one(part: str, verb: str, count: int, build: Callable[[], Fault]) -> Fault:
    return on(part, verb, first(count, build()))


def the(fault: Fault) -> Fault:
    return fault


for title, build, count in FAILURES:
    CASES.add(
        f"{title}, on the first requests of every kind",
        survived(partial(on_each, build, count), len(EACH)),
        does=ONCE,
        reasons="ADMITTED RUNNING",
    )
    for what, part, verb in WRITES:
        one = partial(on_one, part, verb, count, build)
        CASES.add(f"{title}, on {verb} {what}", survived(one), does=ONCE, reasons="ADMITTED RUNNING")

for name, fault, code in (
    ("410: the list of pods has expired between two pages", status(410, "the continue parameter is too old"), "410"),
    ("the list of pods takes longer than the time-out", silent(5), "timeout"),
    ("504 of a load balancer before the API server", answers("<html>Gateway Time-out", 504, "text/html"), "504"),
    ("a redirect of a load balancer", answers("", 302, location="https://login.example/"), "302"),
):
    CASES.add(
        name,
        survived(partial(on_one, PODS, "GET", 4, partial(the, fault))),
        does=ONCE,
        reasons="ADMITTED",
        error=code,
    )


@CASES.case(
    "a storm of conflicts: somebody writes the state before every write",
    does="Admits nobody until it is over.",
    reasons="ADMITTED",
    error="state_409",
)
def storm(lane: Lane) -> None:
    lane.api.fault = on(STATE, "PATCH", status(409, "the object has been modified"))
    gate = lane.gate()
    lane.until(lambda: "state_409" in gate.errors(), "the conflict")
    gate.ticks(5)
    assert (lane.replicas(), lane.scaled()) == (0, []), "what cannot be kept admits nobody"
    lane.api.fault = honest
    told(lane, "ADMITTED")


@CASES.case(
    "the list of pods is an old one",
    does="It asks for the replicas themselves where the two contradict each other.",
    reasons="ADMITTED",
)
def old_list(lane: Lane) -> None:
    kept: list[Answer] = []

    def old(_asked: object, real: Callable[[], Answer]) -> Answer:
        kept[:] = kept or [real()]
        return kept[0]

    lane.api.fault = on(PODS, "GET", old)
    gate = lane.gate()
    told(lane, "ADMITTED")
    gate.ticks(4)
    assert lane.replicas() == 1
    told(lane, "ADMITTED")


@CASES.case(
    "the API server is away while a tenant runs and a resident grows",
    does="Leaves as soon as it can be told to.",
    reasons="TARGET_UNKNOWN GUARD_YIELD",
    error="closed",
)
def away(lane: Lane) -> None:
    gate = admitted(lane)
    lane.api.fault = cut
    lane.until(lambda: reason(gate, "TARGET_UNKNOWN"), "the outage")
    lane.crowd()
    gate.ticks(3)
    assert (lane.replicas(), gate.status("/healthz")) == (1, 200)
    lane.api.fault = honest
    left(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "the API server is away when the window ends",
    does="Leaves as soon as it can be told to.",
    reasons="OUTSIDE_WINDOW",
    error="closed",
)
def away_at_the_end(lane: Lane) -> None:
    gate = admitted(lane)
    lane.api.fault = cut
    gate.write_policy(lane.plan(windows=never()))
    gate.ticks(3)
    lane.api.fault = honest
    left(lane, "ADMITTED", "OUTSIDE_WINDOW")


@CASES.case(
    "the API server refuses every read after seconds, and a resident grows",
    does="Looks are over within seconds; it takes the tenant off all the same, and creates the Event later.",
    reasons="GUARD_YIELD",
    error="state_overloaded",
)
def overloaded(lane: Lane) -> None:
    gate = admitted(lane)
    refusal = slow(2, status(503, "unavailable"))
    lane.api.fault = both(on("/", "GET", refusal), on(EVENTS, "POST", refusal))
    lane.until(lambda: reason(gate, "TARGET_UNKNOWN"), "the overload to be noticed")
    lane.crowd()
    lane.until(lane.gone, "the tenant to have left")
    gate.ticks(1)
    assert ((gate.metric("tick_seconds") or 0) < 10, gate.status("/healthz")) == (True, 200)
    lane.api.fault = honest
    left(lane, "ADMITTED", "GUARD_YIELD")


def lost_yield(fault: Fault) -> Try:
    def trial(lane: Lane) -> None:
        admitted(lane)
        lane.api.fault = on(SCALE, "PATCH", first(2, fault))
        lane.crowd()
        left(lane, "ADMITTED", "GUARD_YIELD")
        assert [one for one in lane.api.asked if one.lied]

    return trial


for name, fault in (
    ("the yield is refused twice", status(500, "etcdserver: request timed out")),
    ("the yield's connection breaks twice", cut),
    ("the yield is carried out and its answer is lost", cut_after),
):
    CASES.add(name, lost_yield(fault), does="Asks again until it is so: one yield, one Event.", reasons="GUARD_YIELD")


@CASES.case(
    "Events cannot be created for a while",
    does="Acts all the same, keeps the Event and creates it later.",
    reasons="ADMITTED",
    error="event_503",
)
def no_events(lane: Lane) -> None:
    lane.api.fault = on(EVENTS, "POST", status(503, "unavailable"))
    gate = lane.gate()
    lane.until(lane.running, "the admission")
    lane.until(lambda: (gate.metric("events_waiting") or 0) > 0 or "event_503" in gate.errors(), "the Event to wait")
    lane.api.fault = honest
    told(lane, "ADMITTED")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
