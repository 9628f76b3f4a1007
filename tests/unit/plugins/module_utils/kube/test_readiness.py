"""When is it ready, and what is said if it is not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube import readiness

READY = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}


def deployment(wanted: int = 1, **status: Any) -> dict[str, Any]:
    metadata = {"name": "d", "generation": 2}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"replicas": wanted}, "status": status}


def job(*conditions: str) -> dict[str, Any]:
    status = {"conditions": [{"type": kind, "status": "True", "reason": "R", "message": "m"} for kind in conditions]}
    return {"kind": "Job", "metadata": {"name": "j"}, "spec": {}, "status": status}


@pytest.mark.parametrize(
    ("live", "ready"),
    [
        (deployment(**READY), True),
        (deployment(wanted=0, observedGeneration=2), True),
        (deployment(), False),
        (deployment(**{**READY, "observedGeneration": 1}), False),
        # Recreate, just after a change: the old pod still counts as available, and Available is still true.
        (deployment(**{**READY, "updatedReplicas": 0}), False),
        (deployment(**{**READY, "replicas": 2}), False),
        (deployment(**{**READY, "readyReplicas": 0}), False),
        (job("Complete"), True),
        (job("SuccessCriteriaMet"), False),
        (job("Failed"), False),
        (job(), False),
        (None, False),
    ],
)
def test_ready(live: dict[str, Any] | None, ready: bool) -> None:
    assert readiness.ready(live) is ready


@pytest.mark.parametrize(
    ("item", "awaited"),
    [
        ({"kind": "Deployment", "spec": {"replicas": 1}}, True),
        ({"kind": "Deployment", "spec": {"replicas": 0}}, False),
        ({"kind": "Deployment", "spec": {}}, False),
        ({"kind": "Job", "spec": {}}, True),
        ({"kind": "ConfigMap"}, False),
    ],
)
def test_a_gated_tenant_is_not_waited_for(item: dict[str, Any], awaited: bool) -> None:
    assert readiness.awaited(item) is awaited


def test_only_a_job_fails_for_good() -> None:
    assert readiness.failed(job("Failed"))
    assert not readiness.failed(job("Complete"))
    assert not readiness.failed(deployment())
    assert not readiness.failed(None)


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p"}, "status": status}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"phase": "Pending"}, "pod p: Pending"),
        ({}, "pod p: Unknown"),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU"}
                ]
            },
            "pod p: Unschedulable: no GPU",
        ),
        (
            {"containerStatuses": [{"name": "c", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
            "pod p: container c waits: ImagePullBackOff",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "c",
                        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                        "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
                    }
                ]
            },
            "pod p: container c ended with 137: OOMKilled",
        ),
        (
            {"containerStatuses": [{"name": "c", "ready": False, "state": {"running": {}}}]},
            "pod p: container c runs and is not ready",
        ),
        (
            {"initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 2}}}]},
            "pod p: container i ended with 2: no reason given",
        ),
    ],
)
def test_a_pod_says_what_holds_it_up(status: dict[str, Any], said: str) -> None:
    assert said in readiness.explain(deployment(), [pod(**status)], [])


def test_the_last_warnings_about_the_object_and_its_pods_are_told_and_no_others() -> None:
    def event(name: str, message: str, kind: str = "Warning") -> dict[str, Any]:
        return {"type": kind, "involvedObject": {"name": name}, "reason": "R", "message": message}

    events = [event("p", f"{number}") for number in range(9)]
    events += [event("other", "not ours"), event("p", "fine", "Normal"), event("d", "mine")]
    told = readiness.explain(deployment(), [pod(phase="Pending")], events)
    assert [line.rpartition(" ")[2] for line in told if line.startswith("event")] == ["5", "6", "7", "8", "mine"]


def test_without_pods_the_replica_failure_is_the_reason() -> None:
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    assert readiness.explain(deployment(conditions=[condition]), [], []) == [
        "FailedCreate: exceeded quota",
        "it has no pods",
    ]
    assert readiness.explain(None, [], []) == ["it is gone", "it has no pods"]
