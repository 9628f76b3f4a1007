"""Clocks that step and clocks that differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.gating_cases import Batch, Case, Cases, left
from tests.integration.gating_clock import Clocked
from tests.integration.gating_lanes import Lane

CASES = Cases("Time: clocks that are wrong")
NIGHT = [{"start": "02:00", "end": "06:00", "timezone": "Etc/UTC"}]

INSIDE = datetime(2026, 6, 1, 3, 0, tzinfo=UTC)


def begun(lane: Lane, **gate: str) -> Clocked:
    """Return a gate an hour within its window whose tenant runs."""
    started = Clocked(lane, lane.plan(windows=NIGHT, gate={"cool_down": "60s", "blind_grace": "30s", **gate}))
    started.at(INSIDE)
    # Not every first look admits: an exporter may still tell of the lane's former tenant.
    lane.until(lambda: lane.replicas() == 1 or started.later(0) == "", "the admission")
    lane.until(lane.running, "the tenant to run")
    started.after(1)
    assert started.says() == "RUNNING"
    return started


@CASES.case("the clock jumps an hour ahead within the window", does="Nothing.", reasons="RUNNING")
def ahead(lane: Lane) -> None:
    gate = begun(lane)
    gate.after(3600)
    assert gate.says() == "RUNNING"
    gate.told("ADMITTED")


@CASES.case(
    "the clock jumps over the window's end",
    does="Takes the tenant to 0 at that look.",
    reasons="OUTSIDE_WINDOW",
)
def over_the_end(lane: Lane) -> None:
    gate = begun(lane)
    gate.after(3 * 3600)
    left(lane)
    gate.told("ADMITTED", "OUTSIDE_WINDOW")


@CASES.case(
    "the clock is put back to before the window",
    does="Takes the tenant to 0, and lets it in when it opens again.",
    reasons="OUTSIDE_WINDOW ADMITTED",
)
def back_out(lane: Lane) -> None:
    gate = begun(lane)
    gate.after(-2 * 3600)
    left(lane)
    gate.after(3600)
    gate.told("ADMITTED", "OUTSIDE_WINDOW", "ADMITTED")


def yielded(lane: Lane) -> Clocked:
    gate = begun(lane)
    lane.crowd()
    gate.after(1)
    left(lane)
    lane.calm()
    gate.after(1)
    assert gate.says() == "COOL_DOWN"
    return gate


@CASES.case(
    "the clock is put back an hour during a cool-down",
    does="Waits no longer than the cool-down was meant to be.",
    reasons="COOL_DOWN ADMITTED",
)
def back_in_cool_down(lane: Lane) -> None:
    gate = yielded(lane)
    gate.after(-1800)
    assert gate.says() == "COOL_DOWN"
    gate.after(59)
    assert gate.says() == "COOL_DOWN"
    gate.after(2)
    gate.told("ADMITTED", "GUARD_YIELD", "ADMITTED")


@CASES.case("the clock jumps over the end of a cool-down", does="The cool-down is over.", reasons="ADMITTED")
def over_cool_down(lane: Lane) -> None:
    gate = yielded(lane)
    gate.after(1800)
    gate.told("ADMITTED", "GUARD_YIELD", "ADMITTED")


def blinded(lane: Lane) -> Clocked:
    gate = begun(lane)
    for exporter in ("dcgm", "gpu-pod-exporter"):
        lane.control("fault", exporter=exporter, fault="http_500")
    gate.after(10)
    assert gate.says() == "BLIND_GRACE"
    return gate


@CASES.case(
    "the clock is put back while blind",
    does="The grace begins anew, once.",
    reasons="BLIND_GRACE BLIND_YIELD",
)
def back_while_blind(lane: Lane) -> None:
    gate = blinded(lane)
    gate.after(-1800)
    assert gate.says() == "BLIND_GRACE"
    gate.after(29)
    assert gate.says() == "BLIND_GRACE"
    gate.after(2)
    gate.told("ADMITTED", "BLIND_YIELD")


@CASES.case("the clock jumps ahead while blind", does="The grace is over.", reasons="BLIND_YIELD")
def ahead_while_blind(lane: Lane) -> None:
    gate = blinded(lane)
    gate.after(600)
    gate.told("ADMITTED", "BLIND_YIELD")


@CASES.case(
    "the gate's clock is a year behind the API server's",
    does="Its own clock counts; Events carry it.",
    reasons="ADMITTED",
)
def year_behind(lane: Lane) -> None:
    gate = Clocked(lane, lane.plan())
    gate.at(datetime.now(UTC) - timedelta(days=365))
    gate.told("ADMITTED")
    assert lane.changes()[0]["eventTime"].startswith(f"{gate.now:%Y-%m-%dT%H}")


@CASES.case(
    "Prometheus' clock and the gate's are an hour apart",
    does="The age of samples is told by Prometheus' own clock.",
    reasons="ADMITTED RUNNING",
)
def apart(lane: Lane) -> None:
    gate = Clocked(lane, lane.plan(), prometheus=lane.metrics.url)
    gate.at(datetime.now(UTC) + timedelta(hours=1))
    lane.until(lambda: gate.later(1) == "RUNNING", "the admission")
    gate.told("ADMITTED")


@CASES.case(
    "an exporter tells of a time an hour from the gate's",
    does="Its word is old or of the future: nobody is admitted.",
    reasons="BLIND",
    error="blind_stale",
)
def exporter_apart(lane: Lane) -> None:
    gate = Clocked(lane, lane.plan(), pages=("/metrics/nvidia-gpu-exporter", "/metrics/gpu-pod-exporter"))
    for hours in (-1, 1):
        gate.at(datetime.now(UTC) + timedelta(hours=hours))
        assert gate.says() == "BLIND"
    assert lane.scaled() == []


@CASES.case(
    "the machine has no time zone data",
    does="The policy cannot be used; nobody is admitted.",
    error="policy",
)
def no_zones(lane: Lane) -> None:
    empty = lane.folder / "empty"
    empty.mkdir(exist_ok=True)
    zone = {"start": "00:00", "end": "24:00", "timezone": "Europe/London"}
    gate = lane.gate(lane.plan(windows=[zone]), environ={"PYTHONTZPATH": str(empty)})
    lane.until(lambda: gate.metric("policy_valid") == 0, "the bad policy to be told")
    (line,) = gate.lines("policy")
    assert "tzdata" in line["problem"], line
    gate.ticks(2)
    assert lane.scaled() == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
