"""The whole site on a cluster of its own: what its tests share."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError

from dev import loopback
from dev.demo.snapshot import changes, connect, snapshot
from tests.integration.clusters import CHECKOUT, LocalCluster, bring_up, command, wait_for
from tests.integration.plays import Playbooks, Run
from tests.plans import CARDS, STT, tts

DEMO = CHECKOUT / "inventories" / "demo"
NAMESPACES = ("portal-stt", "tts", "offpeak-gate")
SITE, PREFLIGHT, ROLLBACK, REMOVE, GATE_OFF = (
    f"sharedgpu.voice.{name}" for name in ("site", "preflight", "rollback", "remove", "gate_off")
)
EXPORTERS = ("dcgm", "gpu-pod-exporter")


@dataclass
class Bench:
    """A cluster of this module's own: its card lies on demand, and every object of it is watched."""

    local: LocalCluster
    kube: DynamicClient
    run: Playbooks

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        """Run a playbook of the collection on the demo's inventory."""
        return self.run(playbook, *arguments, inventory=DEMO, variables=variables)

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        api_version = {"Deployment": "apps/v1"}.get(kind, "v1")
        found = self.kube.resources.get(api_version=api_version, kind=kind).get(namespace=namespace, name=name)
        body: dict[str, Any] = found.to_dict()
        return body

    def replicas(self, namespace: str, name: str) -> tuple[int, int]:
        """Return how many are wanted and how many pods there are."""
        pods = self.kube.resources.get(api_version="v1", kind="Pod").get(namespace=namespace).items
        return self.get("Deployment", namespace, name)["spec"]["replicas"], len(pods)

    def may_scale(self, name: str) -> bool:
        """Ask the API server whether the gate's account may scale a Deployment of text to speech."""
        wanted = {"group": "apps", "resource": "deployments", "subresource": "scale", "verb": "patch"}
        asked = {**wanted, "namespace": "tts", "name": name}
        spec = {"user": "system:serviceaccount:offpeak-gate:offpeak-gate", "resourceAttributes": asked}
        reviews = self.kube.resources.get(api_version="authorization.k8s.io/v1", kind="SubjectAccessReview")
        return bool(reviews.create(body={"spec": spec}).to_dict()["status"]["allowed"])

    def scale_tts(self, replicas: int) -> None:
        scale = self.kube.resources.get(api_version="apps/v1", kind="Deployment").subresources["scale"]
        body = {"spec": {"replicas": replicas}}
        scale.patch(name="chatterbox-tts", namespace="tts", body=body, content_type="application/merge-patch+json")

    def admit_tts(self) -> None:
        """Scale as a gate would, and wait for the pod."""
        self.scale_tts(1)
        wait_for(
            lambda: self.get("Deployment", "tts", "chatterbox-tts")["status"].get("readyReplicas") == 1,
            what="text to speech to be ready",
        )

    def namespaces(self) -> set[str]:
        found = self.kube.resources.get(api_version="v1", kind="Namespace").get().items
        return {one.metadata.name for one in found}

    def control(self, action: str, **body: Any) -> None:
        loopback.post(f"{self.local.card_url}/control/{action}", json=body, timeout=10).raise_for_status()

    def samples(self, query: str) -> list[Any]:
        url = f"{self.local.prometheus_url}/api/v1/query"
        found: list[Any] = loopback.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
        return found


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    root = tmp_path_factory.mktemp("site")
    local = bring_up(root / "cluster")
    try:
        environ = local.environ | {"K8S_AUTH_KUBECONFIG": str(local.kubeconfig)}
        yield Bench(local, connect(local.kubeconfig, root / "discovery.json"), Playbooks(root, environ))
    finally:
        command(local.root, "down")


@pytest.fixture
def empty(own: Bench) -> Bench:
    """A cluster without anything of ours, and an honest card."""
    namespaces = own.kube.resources.get(api_version="v1", kind="Namespace")
    for name in NAMESPACES:
        with contextlib.suppress(NotFoundError):
            namespaces.delete(name=name)
    wait_for(lambda: not own.namespaces() & set(NAMESPACES), what="the namespaces to go", within=60)
    return own


@pytest.fixture
def full(own: Bench) -> Bench:
    """A cluster with both services as the playbook leaves them."""
    # Two exporters that are scraped one after the other contradict each other while a pod comes or goes.
    agreed = "sum(gpu_pod_memory_used_bytes) <= sum(DCGM_FI_DEV_FB_USED) * 2^20"
    if not set(NAMESPACES) <= own.namespaces():
        wait_for(lambda: own.samples(agreed), what="the exporters to agree")
        own.play(SITE).ok()
    elif own.replicas("tts", "chatterbox-tts") != (0, 0):
        own.scale_tts(0)
        wait_for(lambda: own.replicas("tts", "chatterbox-tts") == (0, 0), what="text to speech to go")
        held = 'sum({__name__="gpu_pod_memory_used_bytes", exported_namespace="tts"}) > 0'
        wait_for(lambda: not own.samples(held) and own.samples(agreed), what="the exporters to have seen it go")
    return own


@pytest.fixture
def untouched(request: pytest.FixtureRequest, own: Bench) -> Iterator[None]:
    """Fail the test that leaves any object of the cluster changed."""
    for state in {"empty", "full"} & set(request.fixturenames):
        request.getfixturevalue(state)  # what it makes or removes is none of the test's doing
    before = snapshot(own.kube)
    yield
    changed = changes(before, snapshot(own.kube))
    assert not changed, changed


def failure(run: Run, host: str = "localhost") -> str:
    """Return what a run says of a host's only failure, as one line."""
    said = [task["result"] for task in run.tasks if task["outcome"] == "failed" and task["host"] == host]
    assert len(said) == 1, f"{host}: {said}\n{run.stdout}"
    assert "Traceback" not in json.dumps(said[0])
    return " ".join(str(said[0]["msg"]).split())


def missing(words: tuple[str, ...], text: str) -> list[str]:
    return [word for word in words if word not in text]


PLAN: dict[str, Any] = {"margin": "2Gi", "cards": CARDS, "tenants": [STT, tts()]}


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """Return the plan with one value of it replaced."""
    plan = copy.deepcopy(PLAN)
    at: Any = plan
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return {"vram_plan": plan}


def without(*path: str | int) -> dict[str, Any]:
    """Return the plan with one value of it left out."""
    plan = changed(*path, value=None)
    at: Any = plan["vram_plan"]
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    return plan
