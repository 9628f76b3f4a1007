"""Absent means that no pod is left that could hold VRAM, whoever deleted the Deployment, and how."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube import gone
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.objects import Object
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.refusal import RefusedAll
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.remover import Remover
from tests.unit.plugins.module_utils.kube.played import US, Played, pod

ASKED: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}}
OURS: Object = {
    **ASKED,
    "metadata": {**ASKED["metadata"], "uid": "u", "managedFields": [{"manager": US, "operation": "Apply"}]},
}
REPLICA_SET = {"kind": "ReplicaSet", "name": "d-7", "controller": True}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gone, "POLL_SECONDS", 0)


def remove(cluster: Played, timeout: float = 60) -> list[Object]:
    remover = Remover(cluster)
    found = remover.find([ASKED])
    remover.remove(found, timeout)
    return found


@pytest.mark.parametrize("pods", [[], [pod("old", "Failed"), pod("done", "Succeeded")]], ids=["no pods", "ended ones"])
def test_a_deployment_that_is_not_there_is_gone_with_its_pods(pods: list[Object]) -> None:
    assert remove(Played(pods=[pods]), timeout=0) == []


def test_pods_that_still_end_are_waited_for() -> None:
    cluster = Played(pods=[[pod("p", deletionTimestamp="now")]] * 3 + [[]])
    assert remove(cluster) == []
    assert cluster.pods(ASKED) == []


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            pod("p", ownerReferences=[{"kind": "Other", "name": "x"}, REPLICA_SET]),
            "still runs and nobody ends it: kubectl -n n delete replicaset/d-7, and run again",
        ),
        (pod("p", "Pending"), "still runs and nobody ends it: kubectl -n n delete pod/p, and run again"),
        (pod("p", "Unknown"), "still runs and nobody ends it: kubectl -n n delete pod/p, and run again"),
        (
            pod("p", deletionTimestamp="now", finalizers=["a/b", "c"]),
            "is ending; what holds it: a/b, c",
        ),
        (pod("p", deletionTimestamp="now"), "is ending; what holds it: no finalizer: see its events"),
    ],
)
def test_a_pod_that_stays_is_named_with_what_ends_it(found: Object, said: str) -> None:
    with pytest.raises(RefusedAll) as refused:
        remove(Played(pods=[[pod("old", "Failed"), found]]), timeout=0)
    gone_but = "Deployment n/d is gone, but not its pods, which may hold VRAM:"
    assert str(refused.value) == f"{gone_but}\n- Pod n/p {said}"


def test_a_deployment_of_ours_that_waits_for_its_pods_names_them() -> None:
    ending: dict[str, Any] = {**OURS, "metadata": {**OURS["metadata"], "finalizers": ["foregroundDeletion"]}}
    cluster = Played(reads=[OURS, ending], pods=[[pod("p", deletionTimestamp="now", finalizers=["a/b"])]])
    with pytest.raises(RefusedAll) as refused:
        remove(cluster, timeout=0)
    assert cluster.deleted == [OURS]
    assert str(refused.value) == (
        "Deployment n/d is still there after the time-out; what holds it: foregroundDeletion\n"
        "- Pod n/p is ending; what holds it: a/b"
    )


def test_one_of_others_is_left_alone_and_not_waited_for() -> None:
    theirs = {**ASKED, "metadata": {**ASKED["metadata"], "uid": "u"}}
    cluster = Played(reads=[theirs], pods=[[pod("p")]])
    assert remove(cluster, timeout=0) == []
    assert cluster.deleted == []
