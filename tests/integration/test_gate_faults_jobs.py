"""The gate as a job that looks once, and a gate with two hundred targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.integration.gating import TARGET, Gate, deployment, never
from tests.integration.gating_cases import Batch, Case, Cases, left, reason, told
from tests.integration.gating_lanes import Lane
from tests.integration.gating_powers import rights
from tests.integration.gating_proxy import answers, cut

CASES = Cases("The gate as a job (`--once`, engine cronjobs)")
MANY = "Two hundred targets"


def once(lane: Lane, policy: Mapping[str, Any] | str | None = None, *arguments: str) -> Gate:
    gate = lane.gate(policy, "--once", *arguments)
    lane.until(lambda: gate.process.poll() is not None, "the job to end")
    return gate


@CASES.case("a job at the window's start", does="Admits, sees it so and ends with 0.", reasons="ADMITTED")
def job_up(lane: Lane) -> None:
    assert once(lane).process.returncode == 0
    told(lane, "ADMITTED")
    lane.until(lane.running, "the tenant to run")


@CASES.case(
    "a job between a window's start and end, a resident has grown",
    does="Yields, sees it gone and ends with 0.",
    reasons="GUARD_YIELD",
)
def job_guard(lane: Lane) -> None:
    once(lane)
    lane.until(lane.running, "the tenant to run")
    lane.crowd()
    assert once(lane).process.returncode == 0
    assert lane.gone()
    told(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "a job at the window's end",
    does="Takes the tenant to 0, sees it gone and ends with 0.",
    reasons="OUTSIDE_WINDOW",
)
def job_down(lane: Lane) -> None:
    once(lane)
    lane.until(lane.running, "the tenant to run")
    assert once(lane, lane.plan(windows=never())).process.returncode == 0
    assert lane.gone()
    told(lane, "ADMITTED", "OUTSIDE_WINDOW")


@CASES.case("a job at the window's end, blind", does="Takes the tenant to 0 all the same.", reasons="OUTSIDE_WINDOW")
def job_down_blind(lane: Lane) -> None:
    once(lane)
    lane.until(lane.running, "the tenant to run")
    lane.metrics.fault = answers("", 503)
    for exporter in ("dcgm", "gpu-pod-exporter"):
        lane.control("fault", exporter=exporter, fault="http_500")
    once(lane, lane.plan(windows=never()), "--once-timeout=20")
    left(lane, "ADMITTED", "OUTSIDE_WINDOW")


@CASES.case(
    "a job at the window's end, the pod stuck Terminating",
    does="Waits its time and ends with 1, so that the failed Job is seen.",
    reasons="OUTSIDE_WINDOW",
)
def job_down_stuck(lane: Lane) -> None:
    once(lane)
    lane.until(lane.running, "the tenant to run")
    lane.keep(lane.the_pod(), ["dev.sharedgpu/test"])
    assert once(lane, lane.plan(windows=never()), "--once-timeout=3").process.returncode == 1
    told(lane, "ADMITTED", "OUTSIDE_WINDOW")


@CASES.case("a job at the window's start, blind", does="Admits nobody.", reasons="BLIND", error="blind_http_status")
def job_blind(lane: Lane) -> None:
    lane.control("fault", exporter="dcgm", fault="http_500")
    once(lane, None, "--once-timeout=3")
    assert (lane.replicas(), lane.scaled()) == (0, [])


@CASES.case("a job without an API server", does="Tries for its time and ends with 1.", error="state_closed")
def job_deaf(lane: Lane) -> None:
    lane.api.fault = cut
    assert once(lane, None, "--once-timeout=3").process.returncode == 1
    assert lane.scaled() == []


@CASES.case("two jobs in the same minute", does="One acts; both end.", reasons="ADMITTED")
def two_jobs(lane: Lane) -> None:
    jobs = [lane.gate(None, "--once"), lane.gate(None, "--once")]
    lane.until(lambda: all(job.process.poll() is not None for job in jobs), "the jobs to end")
    told(lane, "ADMITTED")


@CASES.case("a job with a policy that cannot be used", does="Changes nothing and ends with 1.", error="policy")
def job_bad(lane: Lane) -> None:
    assert once(lane, "{", "--once-timeout=1").process.returncode == 1
    assert lane.scaled() == []


OTHERS = 199


def crowded(lane: Lane, trial: Callable[[Lane, list[str]], None]) -> None:
    """Give a lane 199 more targets, and its gate the right to them."""
    apps = f"/apis/apps/v1/namespaces/{lane.namespace}/deployments"
    names = [f"other-{number}" for number in range(OTHERS)]
    try:
        for name in names:
            lane.ground.admin.ask("POST", apps, deployment(name))
        with rights(lane) as role:
            role.allow("deployments/scale", [TARGET, *names])
            trial(lane, names)
    finally:
        for name in names:
            lane.ground.admin.ask("DELETE", f"{apps}/{name}")


def many_plan(lane: Lane, names: list[str]) -> dict[str, object]:
    """Return a plan in which all others are outside their windows."""
    plan = lane.plan()
    mine = plan["tenants"][0]
    shut = {"windows": list(never()), "card": "t4", "mode": "gated", "peak": "4Gi", "namespace": lane.namespace}
    more = [{**shut, "name": name, "target": {"kind": "Deployment", "name": name}} for name in names]
    return {**plan, "tenants": [mine, plan["tenants"][1], *more]}


@CASES.case(
    "200 targets, three of them started by somebody",
    does="One look sees all; it asks for the pods once a namespace.",
    reasons="ADMITTED OUTSIDE_WINDOW",
    group=MANY,
)
def many(lane: Lane) -> None:
    def trial(lane: Lane, names: list[str]) -> None:
        gate = lane.gate(many_plan(lane, names))
        lane.until(lambda: reason(gate, "RUNNING"), "the admission of the one whose window is open")
        for name in names[:3]:
            path = f"/apis/apps/v1/namespaces/{lane.namespace}/deployments/{name}/scale"
            lane.ground.admin.ask("PATCH", path, {"spec": {"replicas": 1}}, "application/merge-patch+json")
        seen = lane.seen.scaled
        lane.until(
            lambda: all([one.replicas for one in seen[name]] == [0, 1, 0] for name in names[:3]),
            "the three to be put back",
        )
        asked = len([one for one in lane.api.asked if "/pods" in one.path])
        ticks = gate.metric("ticks_total") or 0
        assert asked <= ticks + 2
        assert [len(seen[name]) for name in names[3:]] == [1] * (OTHERS - 3)
        lane.until(lambda: len(lane.events()) >= 4, "the Events")
        assert sorted(event["regarding"]["name"] for event in lane.events()) == sorted([TARGET, *names[:3]])

    crowded(lane, trial)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
