"""What the API server can refuse a gate: rights, targets, writes, pods, its state, and any answer at all."""

from __future__ import annotations

import pytest

from dev.cluster.ports import LOOPBACK, reserved_port
from tests.integration.gating import Gate, never
from tests.integration.gating_cases import Batch, Case, Cases, admitted, left, reason, told
from tests.integration.gating_lanes import Lane
from tests.integration.gating_powers import denial, rights
from tests.integration.gating_proxy import honest, on, status
from tests.integration.gating_servers import black_hole, certificate, tls_server

CASES = Cases("API server: it refuses")
AWAY = "API server: the way to it"
SCALE = "/scale"


@CASES.case(
    "401 after the token has rotated",
    does="Reads the token anew for each request: over with the new one.",
    reasons="GUARD_YIELD",
    error="401",
)
def rotated(lane: Lane) -> None:
    gate = admitted(lane)
    gate.write_token("not.a.token")
    lane.until(lambda: "401" in gate.errors(), "the refusal")
    assert (gate.status("/healthz"), lane.replicas()) == (200, 1)
    gate.write_token(lane.new_token())
    lane.crowd()
    left(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "the token file is gone",
    does="Admits nobody until it is there again.",
    reasons="ADMITTED",
    error="token|state_token",
)
def no_token(lane: Lane) -> None:
    gate = lane.gate(None, f"--api-token={lane.folder}/late")
    lane.until(lambda: {"token", "state_token"} & gate.errors(), "the missing token")
    (lane.folder / "late").write_text(lane.token(), encoding="ascii")
    told(lane, "ADMITTED")
    (lane.folder / "late").unlink()


def no_list(lane: Lane) -> None:
    gate = admitted(lane)
    with rights(lane) as role:
        role.take("pods")
        lane.until(lambda: reason(gate, "TARGET_UNKNOWN"), "the refusal")
        gate.ticks(3)
        assert lane.replicas() == 1
        lane.crowd()
        left(lane, "ADMITTED", "GUARD_YIELD")
        lane.calm()
        gate.ticks(7)  # longer than the cool-down, and more looks than it may change in an hour
        assert lane.replicas() == 0
        role.give()
        told(lane, "ADMITTED", "GUARD_YIELD", "ADMITTED")


def no_scale(lane: Lane) -> None:
    with rights(lane) as role:
        role.take("deployments/scale")
        gate = lane.gate()
        lane.until(lambda: "403" in gate.errors(), "the refusal")
        gate.ticks(3)
        assert (lane.replicas(), lane.scaled(), gate.status("/readyz")) == (0, [], 503)
        role.give()
        told(lane, "ADMITTED")


def no_event_right(lane: Lane) -> None:
    with rights(lane) as role:
        role.take("events")
        gate = lane.gate()
        lane.until(lane.running, "the admission")
        lane.until(lambda: "event_403" in gate.errors(), "the refusal")
        assert lane.changes() == []
        role.give()
        told(lane, "ADMITTED")


CASES.add(
    "403 on the pods after a change of the rights",
    no_list,
    does="Counts the tenant as running: leaves it while there is room, yields to a resident that grows, admits nobody.",
    reasons="TARGET_UNKNOWN GUARD_YIELD ADMITTED",
    error="403",
)
CASES.add(
    "403 on the scale after a change of the rights",
    no_scale,
    does="Leaves the tenant as it is, counts it as running, admits nobody; puts it right when it may again.",
    reasons="ADMITTED",
    error="403",
)
CASES.add(
    "403 on Events after a change of the rights",
    no_event_right,
    does="Acts all the same; the Event is created once it may.",
    reasons="ADMITTED",
    error="event_403",
)


@CASES.case(
    "404: the target does not exist",
    does="Admits nobody and is not ready.",
    reasons="ADMITTED",
    error="403|404",
)
def no_target(lane: Lane) -> None:
    lane.api.fault = on(SCALE, "GET", status(404, 'deployments.apps "chatterbox" not found'))
    gate = lane.gate()
    lane.until(lambda: "404" in gate.errors(), "the refusal")
    gate.ticks(2)
    assert (lane.scaled(), gate.status("/readyz"), gate.status("/healthz")) == ([], 503, 200)
    lane.api.fault = honest
    told(lane, "ADMITTED")


@CASES.case("403: another target than the gate may scale", does="Admits nobody and is not ready.", error="403")
def other_target(lane: Lane) -> None:
    gate = lane.gate(lane.plan(target={"kind": "Deployment", "name": "nobody"}))
    lane.until(lambda: "403" in gate.errors(), "the refusal")
    gate.ticks(2)
    assert (gate.status("/readyz"), gate.status("/healthz")) == (503, 200)


@CASES.case(
    "the target is deleted while it runs, and made anew",
    does="Looks anew whether there is room, and says that somebody stopped it.",
    reasons="FOREIGN_STOP ADMITTED",
)
def deleted(lane: Lane) -> None:
    admitted(lane)
    lane.remake()
    told(lane, "ADMITTED", "ADMITTED")


def admission_denied(lane: Lane) -> None:
    with denial(lane, 1) as policy:
        gate = lane.gate()
        lane.until(lambda: "422" in gate.errors(), "the denial")
        gate.ticks(3)
        assert (lane.replicas(), lane.changes()) == (0, [])
        policy.lift()
        told(lane, "ADMITTED")


def yield_denied(lane: Lane) -> None:
    gate = admitted(lane)
    with denial(lane, 0) as policy:
        lane.crowd()
        lane.until(lambda: "422" in gate.errors(), "the denial")
        gate.ticks(3)
        assert lane.replicas() == 1
        policy.lift()
        left(lane, "ADMITTED", "GUARD_YIELD")


AGAIN = "Says so at every look and asks again: one Event, when it is so."
CASES.add("an admission policy denies the start", admission_denied, does=AGAIN, reasons="ADMITTED", error="422")
CASES.add("an admission policy denies the stop", yield_denied, does=AGAIN, reasons="GUARD_YIELD", error="422")


@CASES.case(
    "a quota denies the pods",
    does="It waits for them, and takes the tenant back at the window's end.",
    reasons="ADMITTED LOADING OUTSIDE_WINDOW",
)
def quota(lane: Lane) -> None:
    path = f"/api/v1/namespaces/{lane.namespace}/resourcequotas"
    lane.ground.admin.ask("POST", path, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
    try:
        gate = lane.gate()
        lane.until(lambda: reason(gate, "LOADING"), "it to wait")
        gate.ticks(2)
        assert (lane.replicas(), lane.pods()) == (1, 0)
        gate.write_policy(lane.plan(windows=never()))
        lane.until(lane.gone, "the tenant to be taken back")
        told(lane, "ADMITTED", "OUTSIDE_WINDOW")
    finally:
        lane.ground.admin.ask("DELETE", f"{path}/none")


def state_path(lane: Lane) -> str:
    return f"/api/v1/namespaces/{lane.gates.namespace}/configmaps/offpeak-gate-state"


@CASES.case(
    "the state cannot be read: it is rubbish",
    does="Waits out a cool-down and an hour of changes before it admits anybody.",
    reasons="CAPPED",
)
def rubbish(lane: Lane) -> None:
    lane.ground.admin.ask("PATCH", state_path(lane), {"data": {"state": "{]"}}, "application/merge-patch+json")
    gate = lane.gate()
    lane.until(lambda: reason(gate, "CAPPED"), "the end of the cool-down")
    assert lane.scaled() == []


@CASES.case(
    "the state is gone: somebody deleted its ConfigMap",
    does="Admits nobody: what cannot be kept would be lost by a restart.",
    reasons="COOL_DOWN",
    error="state_404",
)
def no_state(lane: Lane) -> None:
    kept = lane.ground.admin.ask("GET", state_path(lane))
    lane.ground.admin.ask("DELETE", state_path(lane))
    try:
        gate = lane.gate()
        lane.until(lambda: "state_404" in gate.errors(), "the refusal")
        gate.ticks(8)
        assert lane.scaled() == []
    finally:
        meta = {key: kept["metadata"].get(key) for key in ("name", "labels")}
        lane.ground.admin.ask("POST", state_path(lane).rpartition("/")[0], {"metadata": meta})


@CASES.case(
    "neither the policy nor the one that the state keeps can be used",
    does="Changes nothing and stays alive, says so by a Warning, and goes on once there is one.",
    reasons="ADMITTED",
    error="state_unreadable",
)
def no_policy(lane: Lane) -> None:
    kept = {"data": {"policy": '{"tenants": "x"}'}}
    lane.ground.admin.ask("PATCH", state_path(lane), kept, "application/merge-patch+json")
    gate = lane.gate('{"nonsense": 1}')
    lane.until(lambda: any("nonsense" in one["note"] for one in lane.refusals()), "the Warning")
    gate.ticks(3)
    assert (lane.scaled(), gate.status("/healthz"), gate.status("/readyz")) == ([], 200, 503)
    gate.write_policy(lane.plan())
    told(lane, "ADMITTED")


DEAF = "Changes nothing, stays alive, is not ready."


def nothing(lane: Lane, gate: Gate, code: str) -> None:
    lane.until(lambda: gate.errors() & {f"state_{code}", code}, f"the error {code}")
    gate.ticks(2)
    assert (lane.scaled(), gate.status("/healthz"), gate.status("/readyz")) == ([], 200, 503)


@CASES.case("the API server's name does not resolve", does=DEAF, error="state_dns|state_timeout", group=AWAY)
def no_name(lane: Lane) -> None:
    gate = lane.gate(None, "--api-server=https://kubernetes.invalid")
    lane.until(lambda: gate.errors() & {"state_dns", "state_timeout"}, "the error")
    assert (lane.scaled(), gate.status("/healthz"), gate.status("/readyz")) == ([], 200, 503)


@CASES.case("nobody listens where the API server should be", does=DEAF, error="state_refused", group=AWAY)
def refused(lane: Lane) -> None:
    with reserved_port() as port:
        nothing(lane, lane.gate(None, f"--api-server=http://{LOOPBACK}:{port}"), "refused")


@CASES.case("the API server takes connections and never answers", does=DEAF, error="state_timeout", group=AWAY)
def swallowed(lane: Lane) -> None:
    with black_hole() as url:
        nothing(lane, lane.gate(None, f"--api-server={url}"), "timeout")


@CASES.case("the API server's certificate is of another CA", does=DEAF, error="state_tls", group=AWAY)
def other_ca(lane: Lane) -> None:
    with tls_server(certificate(lane.folder, days=2)) as url:
        nothing(lane, lane.gate(None, f"--api-server={url}"), "tls")


@CASES.case("the API server's certificate has run out", does=DEAF, error="state_tls", group=AWAY)
def run_out(lane: Lane) -> None:
    path = certificate(lane.folder, days=-2)
    with tls_server(path) as url:
        nothing(lane, lane.gate(None, f"--api-server={url}", f"--api-ca={path}"), "tls")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
