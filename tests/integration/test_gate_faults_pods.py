"""What the tenant's pods can do. The card stays shut while anything is left on it."""

from __future__ import annotations

import pytest

from tests.integration.gating import never
from tests.integration.gating_cases import Batch, Case, Cases, admitted, left, reason, stuck, told
from tests.integration.gating_lanes import Lane
from tests.integration.gating_powers import deliver

CASES = Cases("The tenant's pods")


@CASES.case(
    "the pod stays Pending: no node takes it",
    does="Waits for it, and takes the tenant back when the window ends.",
    reasons="ADMITTED LOADING OUTSIDE_WINDOW",
)
def pending(lane: Lane) -> None:
    lane.remake(nodeSelector={"no": "such-node"})
    gate = lane.gate()
    lane.until(lambda: reason(gate, "LOADING") and lane.pods() == 1, "it to wait")
    gate.ticks(2)
    assert lane.replicas() == 1
    gate.write_policy(lane.plan(windows=never()))
    lane.until(lane.gone, "the tenant to be taken back")
    told(lane, "ADMITTED", "OUTSIDE_WINDOW")


@CASES.case(
    "the container crashes again and again (CUDA out of memory)",
    does="Stays LOADING, starts nothing anew and admits nobody beside it.",
    reasons="ADMITTED LOADING",
)
def crashes(lane: Lane) -> None:
    gate = admitted(lane)
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
    container = {"name": "main", "image": "x", "imageID": "", "ready": False, "restartCount": 7, "state": waiting}
    deliver(lane, ready=False, containerStatuses=[container])
    lane.until(lambda: reason(gate, "LOADING"), "the crash to show")
    gate.ticks(3)
    assert lane.held() == 0
    told(lane, "ADMITTED")


@CASES.case(
    "the pod stops being ready and holds its VRAM",
    does="Stays LOADING; a resident that grows still makes it yield.",
    reasons="LOADING GUARD_YIELD",
)
def unready(lane: Lane) -> None:
    gate = admitted(lane)
    deliver(lane, ready=False)
    lane.until(lambda: reason(gate, "LOADING"), "it to be noticed")
    lane.crowd()
    left(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "the pod is evicted and comes back", does="Waits for the new pod: no change of its own.", reasons="ADMITTED RUNNING"
)
def evicted(lane: Lane) -> None:
    gate = admitted(lane)
    old = lane.the_pod()
    path = f"/api/v1/namespaces/{lane.namespace}/pods/{old}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": old, "namespace": lane.namespace}}
    lane.ground.admin.ask("POST", path, body)
    lane.until(lambda: lane.pods() == 1 and lane.the_pod() != old and lane.running(), "the new pod")
    gate.ticks(2)
    told(lane, "ADMITTED")


@CASES.case(
    "the pod has failed and lies there (node out of memory)",
    does="Counts only pods that may hold VRAM.",
    reasons="ADMITTED GUARD_YIELD",
)
def failed(lane: Lane) -> None:
    admitted(lane)
    deliver(lane, phase="Failed", reason="Evicted")
    lane.until(lambda: lane.pods() == 2 and lane.running(), "the new pod beside it")
    lane.crowd()
    lane.until(lambda: lane.replicas() == 0 and lane.held() == 0, "the tenant to have left")
    told(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "the pod is stuck Terminating after a yield",
    does="Says so by a Warning and admits nobody until it is gone.",
    reasons="GUARD_YIELD NOT_FREED ADMITTED",
)
def stuck_inside(lane: Lane) -> None:
    gate = admitted(lane)
    pod = stuck(lane)
    lane.until(lambda: reason(gate, "NOT_FREED"), "it to be told")
    assert gate.metric("not_freed", tenant="tts") == 1
    lane.until(lambda: [one for one in lane.events() if one["reason"] == "NOT_FREED"], "the Warning")
    gate.ticks(3)
    assert lane.replicas() == 0
    lane.keep(pod, [])
    told(lane, "ADMITTED", "GUARD_YIELD", "ADMITTED")


@CASES.case(
    "the pod is stuck Terminating outside the window",
    does="Says DRAINING or NOT_FREED and goes on looking.",
    reasons="OUTSIDE_WINDOW",
)
def stuck_outside(lane: Lane) -> None:
    gate = admitted(lane)
    pod = lane.the_pod()
    lane.keep(pod, ["dev.sharedgpu/test"])
    gate.write_policy(lane.plan(windows=never()))
    lane.until(lambda: lane.replicas() == 0, "the tenant to have been told to leave")
    gate.ticks(3)
    told(lane, "ADMITTED", "OUTSIDE_WINDOW")
    lane.keep(pod, [])
    lane.until(lane.gone, "the pod to go")


@CASES.case(
    "a killed pod leaves its VRAM behind",
    does="Says that the card is not freed and admits nobody on it until it is.",
    reasons="GUARD_YIELD NOT_FREED ADMITTED",
)
def leaked(lane: Lane) -> None:
    gate = admitted(lane)
    lane.control("set", workload="tts", leak_seconds=3600)
    lane.crowd()
    lane.until(lambda: lane.replicas() == 0 and not lane.pods(), "the tenant to have left")
    lane.control("set", workload="immich", idle="5000Mi")
    lane.until(lambda: reason(gate, "NOT_FREED"), "it to be told")
    assert lane.held() >= 4000
    told(lane, "ADMITTED", "GUARD_YIELD")
    lane.control("set", workload="tts", leak_seconds=0)
    told(lane, "ADMITTED", "GUARD_YIELD", "ADMITTED")


@CASES.case(
    "a resident that nobody declared grows",
    does="What it holds is not free: the tenant yields.",
    reasons="ADMITTED GUARD_YIELD",
)
def undeclared(lane: Lane) -> None:
    admitted(lane)
    lane.control("add", name="stranger", pod={"namespace": "x", "name": "x-0", "container": "main"}, idle="8Gi")
    left(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "a desktop without a pod takes VRAM (graphics only)",
    does="What it holds is not free: the tenant yields.",
    reasons="ADMITTED GUARD_YIELD",
)
def desktop(lane: Lane) -> None:
    admitted(lane)
    lane.control("add", name="desktop", host=True, idle="8Gi", graphics=True)
    left(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case(
    "a resident wakes while the tenant still loads",
    does="Yields at once, loaded or not.",
    reasons="ADMITTED GUARD_YIELD",
)
def wakes_while_loading(lane: Lane) -> None:
    lane.remake(nodeSelector={"no": "such-node"})
    gate = lane.gate()
    lane.until(lambda: reason(gate, "LOADING"), "it to wait")
    lane.control("set", workload="immich", idle="11Gi")
    left(lane, "ADMITTED", "GUARD_YIELD")


@CASES.case("the card is full at the start", does="Admits nobody; does when there is room.", reasons="NO_ROOM ADMITTED")
def full(lane: Lane) -> None:
    lane.crowd()
    gate = lane.gate()
    lane.until(lambda: reason(gate, "NO_ROOM"), "it to wait")
    gate.ticks(2)
    assert lane.scaled() == []
    lane.calm()
    told(lane, "ADMITTED")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(running: Batch, case: Case) -> None:
    running.outcome(case)
