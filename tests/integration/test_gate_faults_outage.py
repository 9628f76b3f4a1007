"""The API server is really stopped and started, in a cluster of its own: the gate outlives it and puts things right."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.cluster import process
from dev.cluster.layout import Layout
from tests.integration.clusters import LocalCluster, bring_up, command
from tests.integration.gating_cases import Batch, Case, Cases, admitted, left, reason, told
from tests.integration.gating_ground import lanes
from tests.integration.gating_lanes import Lane

CASES = Cases("API server: it is stopped and started")
GRACE = 10.0


@pytest.fixture(scope="module")
def gate_lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lane]]:
    """One lane in a cluster of its own, so that nobody else misses the API server."""
    root = tmp_path_factory.mktemp("own") / "cluster"
    cluster = bring_up(root)
    try:
        with lanes(cluster, tmp_path_factory.mktemp("lane"), 1) as built:
            yield built
    finally:
        command(root, "down")


def stop(cluster: LocalCluster, name: str) -> None:
    process.stop(Layout(cluster.root).records()[name].process, GRACE)


@CASES.case(
    "the API server is stopped while a tenant runs, a resident grows, it is started again",
    does="Stays alive and asks on; yields within moments of the start, as the same process.",
    reasons="ADMITTED TARGET_UNKNOWN GUARD_YIELD",
    error="closed|refused|503|500|502",
)
def stopped(lane: Lane) -> None:
    gate = admitted(lane)
    stop(lane.cluster, "kube-apiserver")
    lane.until(lambda: reason(gate, "TARGET_UNKNOWN"), "the outage to be noticed")
    lane.crowd()
    gate.ticks(3)
    assert (gate.process.poll(), gate.status("/healthz")) == (None, 200)
    bring_up(lane.cluster.root)
    left(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "the gate starts while the store of the API server is down",
    does="Changes nothing until it is there again, then admits.",
    reasons="ADMITTED",
    error="state_500|state_503|state_504|state_timeout|timeout",
)
def no_store(lane: Lane) -> None:
    stop(lane.cluster, "etcd")
    gate = lane.gate()
    lane.until(
        lambda: gate.errors() & {"state_500", "state_503", "state_504", "state_timeout", "timeout"}, "the refusal"
    )
    assert not lane.scaled()
    bring_up(lane.cluster.root)
    told(lane, "ADMITTED")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
