"""A Prometheus that cannot be reached, and sources that look wrong and are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

import pytest

from dev.cluster.ports import LOOPBACK, reserved_port
from tests.integration.gating_cases import Batch, Case, Cases, Try, admitted, nobody, reason, told
from tests.integration.gating_faults import FAILED, USED, twice
from tests.integration.gating_lanes import Lane
from tests.integration.gating_proxy import Answer, Asked, Fault, answers, honest, proxy
from tests.integration.gating_servers import black_hole, certificate, tls_server

CASES = Cases("Prometheus: the way to it")
HARMLESS = "What looks wrong and is not"
NOBODY = "Admits nobody until it can be trusted again."


@CASES.case(
    "only the question for the past fails",
    does=NOBODY,
    reasons="BLIND ADMITTED",
    error="blind_query_failed",
)
def no_past(lane: Lane) -> None:
    def fault(asked: Asked, real: Callable[[], Answer]) -> Answer:
        past = b"lookback_delta" not in asked.body and "max_over_time" in parse_qs(asked.body.decode())["query"][0]
        return answers(FAILED, 422)(asked, real) if past else honest(asked, real)

    lane.metrics.fault = fault
    gate = lane.gate(source="prometheus")
    lane.until(lambda: "blind_query_failed" in gate.errors(), "the doubt")
    gate.ticks(2)
    assert lane.replicas() == 0
    lane.metrics.fault = honest
    told(lane, "ADMITTED")


@CASES.case(
    "the name of Prometheus does not resolve",
    does=NOBODY,
    reasons="BLIND",
    error="blind_dns|blind_timeout",
)
def no_name(lane: Lane) -> None:
    nobody(lane, lane.gate(None, "--prometheus=http://prometheus.invalid:9090", source="prometheus"))


@CASES.case(
    "nobody listens where Prometheus should be, and then it does",
    does=NOBODY,
    reasons="BLIND ADMITTED",
    error="blind_refused",
)
def late(lane: Lane) -> None:
    with reserved_port() as port:
        nobody(lane, lane.gate(None, f"--prometheus=http://{LOOPBACK}:{port}", source="prometheus"))
        with proxy(lane.prometheus_url, port=port):
            told(lane, "ADMITTED")


@CASES.case("connections are taken and never answered", does=NOBODY, reasons="BLIND", error="blind_timeout")
def swallowed(lane: Lane) -> None:
    with black_hole() as url:
        nobody(lane, lane.gate(None, f"--prometheus={url}", source="prometheus"))


def untrusted(address: str, days: int, *, known: bool) -> Try:
    def trial(lane: Lane) -> None:
        path = certificate(lane.folder, address=address, days=days)
        with tls_server(path) as url:
            ca = [f"--prometheus-ca={path}"] if known else []
            nobody(lane, lane.gate(None, f"--prometheus={url}", *ca, source="prometheus"))

    return trial


for name, trial in (
    ("Prometheus' certificate is of an unknown CA", untrusted("127.0.0.1", 1, known=False)),
    ("Prometheus' certificate is for another name", untrusted("192.0.2.1", 1, known=True)),
    ("Prometheus' certificate has run out", untrusted("127.0.0.1", -1, known=True)),
):
    CASES.add(name, trial, does=NOBODY, reasons="BLIND", error="blind_tls")


@CASES.case("https where plain HTTP is spoken", does=NOBODY, reasons="BLIND", error="blind_tls|blind_closed")
def plain(lane: Lane) -> None:
    url = lane.prometheus_url.replace("http://", "https://")
    nobody(lane, lane.gate(None, f"--prometheus={url}", source="prometheus"))


@CASES.case("the token file for Prometheus is missing", does=NOBODY, reasons="BLIND", error="blind_token")
def no_token(lane: Lane) -> None:
    nobody(lane, lane.gate(None, f"--prometheus-token={lane.folder}/none", source="prometheus"))


@CASES.case("the environment names proxies that do not exist", does="It ignores them.", reasons="ADMITTED")
def proxies(lane: Lane) -> None:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    with reserved_port() as port:
        lane.gate(source="prometheus", environ=dict.fromkeys(names, f"http://{LOOPBACK}:{port}"))
        told(lane, "ADMITTED")


def still_admitted(fault: Fault) -> Try:
    def trial(lane: Lane) -> None:
        lane.metrics.fault = fault
        gate = admitted(lane, source="prometheus")
        lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
        told(lane, "ADMITTED")

    return trial


WORSE = "It takes the worse of the two numbers and goes on."
CASES.add(
    "two Prometheus replicas tell the same series",
    still_admitted(twice(USED, prometheus_replica="b")),
    does=WORSE,
    reasons="ADMITTED RUNNING",
    group=HARMLESS,
)


def speaks(settings: Mapping[str, object], *, source: str = "exporters") -> Try:
    def trial(lane: Lane) -> None:
        lane.control("configure", exporter="dcgm", settings=dict(settings))
        gate = admitted(lane, source=source)
        lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
        lane.crowd()
        told(lane, "ADMITTED", "GUARD_YIELD")

    return trial


GOES_ON = "It reads them all the same: admits, and yields to a resident."
for name, settings in (
    ("the label Hostname is called hostname", {"hostname_label": "hostname"}),
    ("a relabelling puts a prefix before the names", {"prefix": "site_"}),
    ("every series comes once a pod with the card's value", {"mode": "copied"}),
    ("the card's series and one of each pod's own", {"mode": "per_pod"}),
    ("every pod's series comes once a time slice", {"mode": "per_pod", "vgpu": True}),
):
    CASES.add(name, speaks(settings), does=GOES_ON, reasons="ADMITTED RUNNING GUARD_YIELD", group=HARMLESS)


def harmless(exporter: str, fault: str) -> Try:
    def trial(lane: Lane) -> None:
        lane.control("fault", exporter=exporter, fault=fault)
        lane.gate()
        told(lane, "ADMITTED")

    return trial


for name, exporter, lie in (
    ("every size twice under the same labels", "dcgm", "duplicate_series"),
    ("the pods' exporter names no pods", "gpu-pod-exporter", "missing_labels"),
    ("every pod reads 0 on a busy card", "gpu-pod-exporter", "zero_pods"),
):
    does = "It goes by what the card itself says; what nobody is named for counts as others'."
    CASES.add(name, harmless(exporter, lie), does=does, reasons="ADMITTED", group=HARMLESS)


@CASES.case(
    "a process name with quotes, commas, brackets and a line break",
    does="Labels are read by the format's rules.",
    reasons="ADMITTED",
    group=HARMLESS,
)
def odd_labels(lane: Lane) -> None:
    pod = {"namespace": "other", "name": "odd-0", "container": "main"}
    lane.control("add", name="odd", pod=pod, idle="64Mi", process_name='a}b,c"d\\e\nf=ü')
    lane.gate()
    told(lane, "ADMITTED")


@CASES.case(
    "the pods' exporter does not know a new pod for a while",
    does="Own use counts as others' until it is named: the tenant stays while there is room all the same.",
    reasons="ADMITTED RUNNING",
    group=HARMLESS,
)
def unknown(lane: Lane) -> None:
    lane.control("configure", exporter="gpu-pod-exporter", settings={"attribution_delay_seconds": 4})
    gate = admitted(lane)
    lane.until(lambda: reason(gate, "RUNNING"), "the tenant to run")
    gate.ticks(4)
    told(lane, "ADMITTED")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
