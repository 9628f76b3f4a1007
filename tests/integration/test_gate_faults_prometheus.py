"""What Prometheus, or somebody who answers in its place, can say: nobody is admitted on doubt, and every case says why.

A proxy stands before a real Prometheus that scrapes the simulated card; a fault is what it makes of the answers.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from tests.integration.gating_cases import Batch, Case, Cases, Doubts, Try
from tests.integration.gating_faults import (
    FAILED,
    FREE,
    PODS,
    RESERVED,
    USED,
    both,
    data,
    down,
    labelled,
    named,
    older,
    said,
    times,
    times_all,
    value,
    without,
    without_part,
)
from tests.integration.gating_lanes import Lane
from tests.integration.gating_proxy import Answer, Asked, Fault, answers, cut, cut_after, says, silent, vector

SOURCE = "prometheus"
TRANSPORT, PAYLOAD = "Prometheus: the way to it", "Prometheus: what it says"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BLANK = "9223372036854775794"
CASES = Cases(PAYLOAD)


def elsewhere(asked: Asked, real: Callable[[], Answer]) -> Answer:
    """The samples are those of another node's exporter."""
    fault = both(
        labelled(USED, Hostname="gpu-9"), both(labelled(FREE, Hostname="gpu-9"), labelled(RESERVED, Hostname="gpu-9"))
    )
    return fault(asked, real)


#: class, name, what Prometheus does, the class of the error
ROWS: list[tuple[str, str, Fault, str]] = [
    (TRANSPORT, "Prometheus cuts the connection", cut, "closed"),
    (TRANSPORT, "Prometheus cuts the connection after it has heard", cut_after, "closed"),
    (TRANSPORT, "Prometheus hears and says nothing", silent(6), "timeout"),
    (TRANSPORT, "Prometheus sends a byte now and then", says(HEAD, b"X", pause=0.4, times=12), "timeout"),
    (
        TRANSPORT,
        "the connection closes in the middle of the body",
        says(HEAD + b'Content-Length: 900\r\n\r\n{"st'),
        "closed",
    ),
    (
        TRANSPORT,
        "HTTP/1.0 without a length closes in the middle",
        says(b'HTTP/1.0 200 OK\r\n\r\n{"status":"succ'),
        "bad_json",
    ),
    (TRANSPORT, "somebody there does not speak HTTP", says(b"SSH-2.0-OpenSSH_9.6\r\n"), "not_http"),
    (TRANSPORT, "a status line of rubbish", says(b"HTTP/1.1 maybe\r\n\r\n"), "not_http"),
    (TRANSPORT, "headers without an end", says(HEAD + b"X-Filler: a\r\n" * 200), "not_http"),
    (
        TRANSPORT,
        "a chunked body with a wrong length",
        says(HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}"),
        "closed",
    ),
    (TRANSPORT, "a body of 17 MiB", answers(b" " * (17 << 20)), "too_large"),
    (
        TRANSPORT,
        "a body that does not end",
        says(HEAD + b"\r\n", b" " * (1 << 20), times=64),
        "too_large|timeout|bad_json",
    ),
    (
        TRANSPORT,
        "a packed body that would inflate to a GiB",
        answers(gzip.compress(b" " * (1 << 20)), content_encoding="gzip"),
        "bad_encoding",
    ),
    (TRANSPORT, "Prometheus answers 401", answers("", 401), "unauthorized"),
    (TRANSPORT, "Prometheus answers 403", answers("", 403), "forbidden"),
    (TRANSPORT, "Prometheus answers 404", answers("404 page not found", 404, "text/plain"), "not_found"),
    (TRANSPORT, "Prometheus answers 400", answers(FAILED, 400), "query_failed"),
    (TRANSPORT, "Prometheus answers 422: too many samples", answers(FAILED, 422), "query_failed"),
    (TRANSPORT, "Prometheus answers 429", answers("", 429, retry_after="30"), "rate_limited"),
    (TRANSPORT, "Prometheus answers 500", answers("", 500), "server_error"),
    (TRANSPORT, "Prometheus answers 502 of a proxy", answers("<html>Bad Gateway", 502, "text/html"), "server_error"),
    (TRANSPORT, "Prometheus answers 503", answers("", 503), "server_error"),
    (TRANSPORT, "Prometheus answers 503: query timed out", answers(FAILED, 503), "query_failed"),
    (TRANSPORT, "Prometheus answers 204", answers("", 204), "http_status|bad_json"),
    (TRANSPORT, "a redirect to a login page", answers("", 302, location="https://login.example/"), "redirect"),
    (TRANSPORT, "a redirect to the same host", answers("", 301, location="/graph"), "redirect"),
    (TRANSPORT, "a redirect to another Prometheus", answers("", 307, location="http://192.0.2.7:9090/"), "redirect"),
    (TRANSPORT, "a login page with 200", answers("<html>Log in", 200, "text/html"), "not_prometheus"),
    (PAYLOAD, "an empty body", answers(""), "bad_json"),
    (PAYLOAD, "half a body", answers('{"status":"success","data":{"resultType":"vec'), "bad_json"),
    (PAYLOAD, "a body of nested brackets", answers("[" * 100_000), "bad_json"),
    (PAYLOAD, "a body that is no UTF-8", answers(b'{"status":"\xff\xfe"}'), "bad_json"),
    (PAYLOAD, "JSON of something else", answers({"version": "3"}), "not_prometheus"),
    (PAYLOAD, "JSON with NaN in it", answers('{"status":"success","data":NaN}'), "bad_json"),
    (PAYLOAD, "an error with 200", answers(FAILED), "query_failed"),
    (PAYLOAD, "a scalar", answers(data("scalar", [1, "1"])), "wrong_result"),
    (PAYLOAD, "a matrix", answers(data("matrix", [])), "wrong_result"),
    (PAYLOAD, "a string", answers(data("string", [1, "x"])), "wrong_result"),
    (PAYLOAD, "entries that are no samples", answers(data("vector", [{"metric": {}}])), "wrong_result"),
    (PAYLOAD, "an empty vector", answers(data("vector", [])), "no_series"),
    (PAYLOAD, "warnings of a partial answer", said(warnings=["store away"]), "partial_answer"),
    (PAYLOAD, "infos of a partial answer", said(infos=["metric might not be a counter"]), "partial_answer"),
    (PAYLOAD, "used is NaN", value(USED, "NaN"), "not_a_size"),
    (PAYLOAD, "used is infinite", value(USED, "+Inf"), "not_a_size"),
    (PAYLOAD, "used is less than infinitely little", value(USED, "-Inf"), "not_a_size"),
    (PAYLOAD, "used is negative", value(USED, "-5"), "not_a_size"),
    (PAYLOAD, "used is no number", value(USED, "many"), "wrong_result"),
    (PAYLOAD, "used is 1e308", value(USED, "1e308"), "not_a_size"),
    (PAYLOAD, "used is DCGM's blank value", value(USED, BLANK), "not_a_size|implausible_total"),
    (PAYLOAD, "used is 2^64 in MiB", value(USED, "18446744073709551615"), "not_a_size"),
    (PAYLOAD, "free is NaN", value(FREE, "NaN"), "not_a_size"),
    (PAYLOAD, "free is DCGM's blank value", value(FREE, BLANK), "not_a_size|implausible_total"),
    (PAYLOAD, "reserved is negative", value(RESERVED, "-1"), "not_a_size"),
    (PAYLOAD, "free in bytes, labelled MiB", times(FREE, 1 << 20), "implausible_total"),
    (
        PAYLOAD,
        "the whole card in bytes, labelled MiB",
        times_all("DCGM_FI_DEV_FB", 1 << 20),
        "implausible_total|not_a_size",
    ),
    (PAYLOAD, "the whole card in GiB, labelled MiB", times_all("DCGM_FI_DEV_FB", 1 / 1024), "implausible_total"),
    (PAYLOAD, "the pods in MiB instead of bytes", times(PODS, 1 / (1 << 20)), "implausible_use"),
    (PAYLOAD, "pods that hold more than the card", times(PODS, 9), "contradiction"),
    (PAYLOAD, "a pod's use is NaN", value(PODS, "NaN"), "not_a_size"),
    (PAYLOAD, "samples that are an hour old", older(3600), "stale"),
    (PAYLOAD, "samples of the future", older(-3600), "stale"),
    (PAYLOAD, "only what is used is old (two ages in one answer)", older(3600, f"at:{USED}"), "stale"),
    (PAYLOAD, "nobody tells when samples were taken", without_part("at:"), "age_unknown"),
    (PAYLOAD, "a target that is down", vector(down), "target_down"),
    (PAYLOAD, "no UUID label", named(USED, lambda sample: sample["metric"].pop("UUID", None)), "missing_label"),
    (PAYLOAD, "the UUID is empty", labelled(USED, UUID=""), "missing_label"),
    (PAYLOAD, "another node's card, from a Service before several exporters", elsewhere, "no_card|card_missing"),
    (PAYLOAD, "no series of what is used", without(USED), "missing_metric"),
    (
        PAYLOAD,
        "the metric has another name",
        named(USED, lambda s: s["metric"].update(__name__="DCGM_FI_FB_USED")),
        "missing_metric",
    ),
]


def lying(fault: Fault) -> Try:
    def lie(lane: Lane) -> None:
        lane.metrics.fault = fault

    return lie


for group, name, fault, code in ROWS:
    error = "|".join(f"blind_{one}" for one in code.split("|"))
    CASES.add(
        name,
        lying(fault),
        does="Admits nobody until it can be trusted again.",
        reasons="BLIND",
        error=error,
        group=group,
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nobody_is_admitted_on_doubt(running: Batch, case: Case) -> None:
    running.outcome(case)


def test_every_gate_admits_when_nothing_is_wrong_any_more(running: Doubts) -> None:
    running.healed()
