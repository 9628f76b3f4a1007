"""What an exporter that is read directly can say: nobody is admitted on doubt, and every case says why.

The simulated card lies as exporters were seen to; some lies are told by a proxy before it.
"""

from __future__ import annotations

import pytest

from tests.integration.gating import EXPORTERS
from tests.integration.gating_cases import Batch, Case, Cases, Doubts, Try
from tests.integration.gating_lanes import Lane

SOURCE = "exporters"
DCGM, PODS = "dcgm", "gpu-pod-exporter"
CASES = Cases("Exporters, read directly")

#: name, exporter, its fault, the class of the error
ROWS = [
    ("the card's exporter closes the connection", DCGM, "down", "closed"),
    ("the card's exporter answers 500", DCGM, "http_500", "http_status"),
    ("the card's exporter is hidden by a login page", DCGM, "html", "not_an_exporter"),
    ("the card's exporter answers after the time-out", DCGM, "slow", "timeout"),
    ("the card's exporter is empty with 200", DCGM, "empty", "source_silent"),
    ("the card's exporter says NaN", DCGM, "nan", "not_a_size"),
    ("the card's exporter says infinity", DCGM, "inf", "not_a_size"),
    ("the card's exporter says negative sizes", DCGM, "negative", "not_a_size"),
    ("the card's exporter says DCGM's blank value", DCGM, "huge", "not_a_size|implausible_total"),
    ("the card's exporter names no card", DCGM, "missing_labels", "missing_label"),
    ("the card's exporter says bytes for MiB", DCGM, "bytes_for_mib", "implausible_total|not_a_size"),
    ("the card's exporter has renamed its metrics", DCGM, "renamed_metric", "source_silent"),
    ("the card's exporter does not escape a label", DCGM, "bad_escaping", "bad_page"),
    ("the pods' exporter closes the connection", PODS, "down", "closed"),
    ("the pods' exporter answers 500", PODS, "http_500", "http_status"),
    ("the pods' exporter is hidden by a login page", PODS, "html", "not_an_exporter"),
    ("the pods' exporter answers after the time-out", PODS, "slow", "timeout"),
    ("the pods' exporter says NaN", PODS, "nan", "not_a_size"),
    ("the pods' exporter says infinity", PODS, "inf", "not_a_size"),
    ("the pods' exporter says negative sizes", PODS, "negative", "not_a_size"),
    ("the pods' exporter says DCGM's blank value", PODS, "huge", "not_a_size|contradiction"),
    ("the pods' exporter says MiB for bytes", PODS, "mib_for_bytes", "implausible_use"),
    ("the pods' exporter does not escape a label", PODS, "bad_escaping", "bad_page"),
]


def lying(exporter: str, fault: str) -> Try:
    def lie(lane: Lane) -> None:
        how = {"seconds": 6} if fault == "slow" else {}
        lane.control("fault", exporter=exporter, fault=fault, **how)
        for other in EXPORTERS:
            if other != exporter:
                lane.control("fault", exporter=other, fault="none")

    return lie


for name, exporter, fault, code in ROWS:
    error = "|".join(f"blind_{one}" for one in code.split("|"))
    does = "Admits nobody until it can be trusted again."
    CASES.add(name, lying(exporter, fault), does=does, reasons="BLIND", error=error)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nobody_is_admitted_on_doubt(running: Batch, case: Case) -> None:
    running.outcome(case)


def test_every_gate_admits_when_nothing_is_wrong_any_more(running: Doubts) -> None:
    running.healed()
