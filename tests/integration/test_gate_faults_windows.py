"""Edges of windows: by the wall clock of their zone, whatever that does twice a year."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from tests.integration.gating_cases import Batch, Case, Cases, Try
from tests.integration.gating_clock import Clocked
from tests.integration.gating_lanes import Lane

CASES = Cases("Time: edges of windows")


def window(start: str, end: str, zone: str, *days: str) -> list[dict[str, Any]]:
    return [{"start": start, "end": end, "timezone": zone, **({"days": list(days)} if days else {})}]


def stays(gate: Clocked, instant: str, wanted: Callable[[], bool]) -> bool:
    """Look again at the same instant, as the gate does at its next tick, until its target is as wanted."""
    if not wanted():
        gate.at(instant)
    return wanted()


def follows(windows: list[dict[str, Any]], steps: Sequence[tuple[str, int]]) -> Try:
    """At each instant (UTC) the tenant has these replicas; every change has its Event."""

    def trial(lane: Lane) -> None:
        gate = Clocked(lane, lane.plan(windows=windows))
        changes, before = [], 0
        for instant, replicas in steps:
            gate.at(instant)
            wanted = lane.running if replicas else lane.gone
            lane.until(partial(stays, gate, instant, wanted), f"{replicas} replicas at {instant}")
            if replicas != before:
                changes.append("ADMITTED" if replicas else "OUTSIDE_WINDOW")
                before = replicas
        gate.told(*changes)

    return trial


NIGHT = window("02:00", "06:00", "Etc/UTC")
ROWS: list[tuple[str, list[dict[str, Any]], list[tuple[str, int]], str]] = [
    (
        "the first and the last second of a window",
        NIGHT,
        [
            ("2026-06-01T01:59:59", 0),
            ("2026-06-01T02:00:00", 1),
            ("2026-06-01T05:59:59", 1),
            ("2026-06-01T06:00:00", 0),
        ],
        "In at the first second, out at the first one after the last.",
    ),
    (
        "a window over midnight belongs to the day it begins on",
        window("22:00", "06:00", "Europe/Berlin", "fri"),
        [
            ("2026-06-05T20:00:00", 1),
            ("2026-06-06T03:59:59", 1),
            ("2026-06-06T04:00:00", 0),
            ("2026-06-06T20:00:00", 0),
        ],
        "Friday's window lasts until Saturday morning; Saturday has none.",
    ),
    (
        "clocks go forward within the window (London)",
        window("01:30", "02:30", "Europe/London"),
        [
            ("2027-03-28T00:59:59", 0),
            ("2027-03-28T01:00:00", 1),
            ("2027-03-28T01:29:59", 1),
            ("2027-03-28T01:30:00", 0),
        ],
        "Opens when the clock is past its start, closes by the clock.",
    ),
    (
        "clocks skip the whole window (London)",
        window("01:10", "01:50", "Europe/London"),
        [
            ("2027-03-28T00:59:59", 0),
            ("2027-03-28T01:00:00", 0),
            ("2027-03-28T01:30:00", 0),
            ("2027-03-29T00:10:00", 1),
        ],
        "No window on that day.",
    ),
    (
        "clocks repeat the window (London)",
        window("01:15", "01:45", "Europe/London"),
        [
            ("2026-10-25T00:15:00", 1),
            ("2026-10-25T00:45:00", 0),
            ("2026-10-25T01:15:00", 1),
            ("2026-10-25T01:45:00", 0),
        ],
        "Open at both times.",
    ),
    (
        "clocks go forward by half an hour (Lord Howe)",
        window("02:00", "03:00", "Australia/Lord_Howe"),
        [
            ("2027-10-02T15:29:59", 0),
            ("2027-10-02T15:30:00", 1),
            ("2027-10-02T15:59:59", 1),
            ("2027-10-02T16:00:00", 0),
        ],
        "By the wall clock.",
    ),
    (
        "clocks go back by half an hour (Lord Howe)",
        window("01:45", "02:00", "Australia/Lord_Howe"),
        [
            ("2027-04-03T14:45:00", 1),
            ("2027-04-03T15:00:00", 0),
            ("2027-04-03T15:15:00", 1),
            ("2027-04-03T15:30:00", 0),
        ],
        "Open at both times.",
    ),
    (
        "clocks skip midnight (Sao Paulo 2018)",
        window("00:00", "02:00", "America/Sao_Paulo"),
        [
            ("2018-11-04T02:59:59", 0),
            ("2018-11-04T03:00:00", 1),
            ("2018-11-04T03:59:59", 1),
            ("2018-11-04T04:00:00", 0),
        ],
        "Opens at the first instant of that day.",
    ),
    (
        "clocks skip midnight within a window of the day before (Beirut)",
        window("23:30", "01:30", "Asia/Beirut", "sat"),
        [
            ("2027-03-27T21:29:59", 0),
            ("2027-03-27T21:30:00", 1),
            ("2027-03-27T22:29:59", 1),
            ("2027-03-27T22:30:00", 0),
        ],
        "An hour shorter, and Saturday's all the same.",
    ),
    (
        "clocks go forward in the south (Sydney)",
        window("02:00", "06:00", "Australia/Sydney"),
        [
            ("2026-10-03T15:59:59", 0),
            ("2026-10-03T16:00:00", 1),
            ("2026-10-03T18:59:59", 1),
            ("2026-10-03T19:00:00", 0),
        ],
        "By the wall clock.",
    ),
    (
        "the leap day",
        window("23:00", "01:00", "Etc/UTC", "tue"),
        [("2028-02-29T23:00:00", 1), ("2028-03-01T00:59:59", 1), ("2028-03-01T01:00:00", 0)],
        "A day as any other.",
    ),
    (
        "a window of one minute",
        window("02:00", "02:01", "Etc/UTC"),
        [("2026-06-01T02:00:00", 1), ("2026-06-01T02:00:59", 1), ("2026-06-01T02:01:00", 0)],
        "Admitted and taken back.",
    ),
    (
        "an outage over a whole window's end",
        NIGHT,
        [("2026-06-01T05:00:00", 1), ("2026-06-02T01:00:00", 0)],
        "The next look, whenever it is, takes the tenant back.",
    ),
]
for name, windows, steps, does in ROWS:
    reasons = " ".join(dict.fromkeys("ADMITTED" if replicas else "OUTSIDE_WINDOW" for _instant, replicas in steps))
    CASES.add(name, follows(windows, steps), does=does, reasons=reasons)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
