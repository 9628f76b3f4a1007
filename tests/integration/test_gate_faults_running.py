"""Sources that fail while a tenant runs: it stays for a short grace, then it leaves."""

from __future__ import annotations

import copy
import signal
import time

import pytest

from tests.integration.gating import never, prometheus
from tests.integration.gating_cases import Batch, Case, Cases, Try, admitted, left, nobody, reason, told
from tests.integration.gating_faults import USED, data, older, value
from tests.integration.gating_lanes import Lane
from tests.integration.gating_proxy import Fault, answers, cut, first, honest

CASES = Cases("Sources that fail while a tenant runs")

YIELDS = "The tenant stays for the grace, then leaves; it comes back when the source does and its cool-down is over."
NOBODY = "Admits nobody until it can be trusted again."


def yields_to(fault: Fault) -> Try:
    """The tenant runs, the source fails, the tenant leaves after the grace and comes back when all is well."""

    def trial(lane: Lane) -> None:
        admitted(lane, source="prometheus")
        lane.metrics.fault = fault
        left(lane, "ADMITTED", "BLIND_YIELD")
        lane.metrics.fault = honest
        told(lane, "ADMITTED", "BLIND_YIELD", "ADMITTED")

    return trial


for name, fault, code in (
    ("Prometheus breaks every connection while a tenant runs", cut, "blind_closed"),
    (
        "a login page stands before Prometheus while a tenant runs",
        answers("<html>", 200, "text/html"),
        "blind_not_prometheus",
    ),
    ("Prometheus has no series any more while a tenant runs", answers(data("vector", [])), "blind_no_series"),
    ("used turns into NaN while a tenant runs", value(USED, "NaN"), "blind_not_a_size"),
    ("samples grow old while a tenant runs", older(600), "blind_stale"),
):
    CASES.add(name, yields_to(fault), does=YIELDS, reasons="BLIND_GRACE BLIND_YIELD ADMITTED", error=code)


@CASES.case(
    "Prometheus fails for less than the grace",
    does="The tenant stays.",
    reasons="BLIND_GRACE RUNNING",
    error="blind_server_error",
)
def blips(lane: Lane) -> None:
    gate = admitted(lane, source="prometheus", policy=lane.plan(gate={"blind_grace": "60s"}))
    lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
    lane.metrics.fault = first(2, answers("", 503))
    lane.until(lambda: "blind_server_error" in gate.errors(), "the failure")
    gate.ticks(2)
    lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run on")
    told(lane, "ADMITTED")


@CASES.case(
    "Prometheus is killed while a tenant runs", does=YIELDS, reasons="BLIND_GRACE BLIND_YIELD", error="blind_refused"
)
def killed(lane: Lane) -> None:
    with prometheus(twin := copy.copy(lane), "500ms"):
        gate = lane.gate(None, f"--prometheus={twin.prometheus_url}", source="prometheus")
        lane.until(lane.running, "the admission")
    left(lane, "ADMITTED", "BLIND_YIELD")
    gate.ticks(2)
    assert lane.replicas() == 0
    assert (gate.metric("blind_seconds") or 0) > 0


@CASES.case("Prometheus hangs while a tenant runs", does=YIELDS, reasons="BLIND_YIELD ADMITTED", error="blind_timeout")
def hangs(lane: Lane) -> None:
    with prometheus(twin := copy.copy(lane), "500ms"):
        lane.gate(None, f"--prometheus={twin.prometheus_url}", source="prometheus")
        lane.until(lane.running, "the admission")
        assert twin.prometheus is not None
        twin.prometheus.send_signal(signal.SIGSTOP)
        left(lane)
        twin.prometheus.send_signal(signal.SIGCONT)
        told(lane, "ADMITTED", "BLIND_YIELD", "ADMITTED")


@CASES.case(
    "both exporters fail while a tenant runs", does=YIELDS, reasons="BLIND_GRACE BLIND_YIELD", error="blind_http_status"
)
def exporters_fail(lane: Lane) -> None:
    admitted(lane)
    for exporter in ("dcgm", "gpu-pod-exporter"):
        lane.control("fault", exporter=exporter, fault="http_500")
    left(lane, "ADMITTED", "BLIND_YIELD")


@CASES.case(
    "the card's exporter is frozen and the pods' is not",
    does="The two contradict each other as soon as somebody comes: the tenant leaves after the grace.",
    reasons="ADMITTED BLIND_YIELD",
    error="blind_contradiction",
)
def frozen(lane: Lane) -> None:
    lane.control("fault", exporter="dcgm", fault="frozen")
    lane.gate()
    told(lane, "ADMITTED", "BLIND_YIELD")
    left(lane)


def own_words(fault: str) -> Try:
    """nvidia_gpu_exporter tells when it last looked, and whether that went well."""

    def trial(lane: Lane) -> None:
        lane.control("fault", exporter="nvidia-gpu-exporter", fault=fault)
        struck = time.monotonic()
        lane.until(lambda: time.monotonic() - struck > 3, "its last look to be older than max_age")
        pages = [f"--exporter={lane.card_url}/metrics/{name}" for name in ("nvidia-gpu-exporter", "gpu-pod-exporter")]
        nobody(lane, lane.gate(lane.plan(gate={"max_age": "2s"}), *pages, source=""))

    return trial


CASES.add(
    "nvidia_gpu_exporter says that its last look failed",
    own_words("collect_failed"),
    does=NOBODY,
    reasons="BLIND",
    error="blind_source_silent|blind_collection_failed",
)
CASES.add(
    "nvidia_gpu_exporter is frozen and says since when",
    own_words("frozen"),
    does=NOBODY,
    reasons="BLIND",
    error="blind_stale",
)


def outside(source: str) -> Try:
    def trial(lane: Lane) -> None:
        lane.scale(1)
        lane.until(lane.running, "a tenant that somebody started")
        lane.metrics.fault = answers("", 503)
        for exporter in ("dcgm", "gpu-pod-exporter"):
            lane.control("fault", exporter=exporter, fault="http_500")
        lane.gate(lane.plan(windows=never()), source=source)
        left(lane, "OUTSIDE_WINDOW")

    return trial


for source in ("prometheus", "exporters"):
    title = f"blind outside every window ({source})"
    CASES.add(
        title,
        outside(source),
        does="Outside its windows the tenant goes to 0 whatever is known.",
        reasons="OUTSIDE_WINDOW",
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
