"""Which pods tell what admission made of a priority class, and which tell nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.applier import Step
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.objects import Object
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.waiting import overruled
from tests.unit.plugins.module_utils.kube.played import Played, pod

ROLLED_OUT = {"observedGeneration": 3, "replicas": 1, "updatedReplicas": 1}


def deployment(priority: str, **status: Any) -> Object:
    metadata = {"name": "d", "namespace": "n", "generation": 3}
    template = {"spec": {"priorityClassName": priority}}
    return {"kind": "Deployment", "metadata": metadata, "spec": {"template": template}, "status": status}


def told(live: Object | None, *pods: Object, after: str = "asked", rehearsed: str | None = "asked") -> list[str]:
    step = Step(
        deployment("asked"), live, deployment(after), pod=pod("rehearsal", priority=rehearsed) if rehearsed else None
    )
    sentences = overruled(Played(reads=[live], pods=[list(pods)]), [step])
    return [sentence.partition(" made it ")[2].partition(";")[0] for sentence in sentences]


@pytest.mark.parametrize("rehearsed", ["other", None], ids=["rehearsed", "its rehearsal tells nothing"])
@pytest.mark.parametrize("live", [None, deployment("other"), deployment("asked", **ROLLED_OUT)])
def test_a_template_that_admission_rewrote_is_told_without_any_pod(live: Object | None, rehearsed: str | None) -> None:
    assert told(live, after="other", rehearsed=rehearsed) == ["'other'"]


def test_a_pod_that_runs_of_what_is_asked_is_told_once_and_counts_more_than_the_rehearsed_one() -> None:
    live = deployment("asked", **ROLLED_OUT)
    assert told(live, pod("a", priority="other"), pod("b", priority="other")) == ["'other'"]
    assert told(live, pod("a", priority="asked"), rehearsed="other") == []


@pytest.mark.parametrize(
    ("live", "running"),
    [
        (deployment("former", **ROLLED_OUT), pod("a", priority="former")),
        (deployment("asked", **{**ROLLED_OUT, "observedGeneration": 2}), pod("a", priority="former")),
        (deployment("asked", **{**ROLLED_OUT, "updatedReplicas": 0}), pod("a", priority="former")),
        (deployment("asked", **ROLLED_OUT), pod("a", "Failed", priority="former")),
        (deployment("asked", **ROLLED_OUT), pod("a", "Succeeded", priority="former")),
        (deployment("asked", **ROLLED_OUT), pod("a", priority="former", deletionTimestamp="now")),
    ],
    ids=["check mode", "not seen by its controller", "not rolled out", "evicted", "ended", "ending"],
)
def test_a_pod_of_a_former_template_tells_nothing_and_the_rehearsed_one_speaks(live: Object, running: Object) -> None:
    assert told(live, running) == []
    assert told(live, running, rehearsed="other") == ["'other'"]


def test_what_could_not_be_rehearsed_tells_nothing() -> None:
    assert overruled(Played(pods=[[pod("a", priority="other")]]), [Step(deployment("asked"), waits_for="n")]) == []
