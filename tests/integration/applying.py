"""What the tests of applied objects share: plays that include a role, live objects, and snapshots of a namespace."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.applier import Applier, Step
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.cluster import Cluster
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.objects import Object
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.run import FIELD_MANAGER
from tests.integration.clusters import LocalCluster

NAMESPACED = ("ConfigMap", "Service", "NetworkPolicy", "Deployment", "Job", "PersistentVolumeClaim", "ResourceQuota")
VERSIONS = {
    "Deployment": "apps/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "ReplicaSet": "apps/v1",
}
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}


def role_play(role: str, tasks_from: str = "main") -> list[dict[str, Any]]:
    """Return a playbook that includes one role."""
    include = {"name": f"sharedgpu.voice.{role}", "tasks_from": tasks_from}
    task = {"name": "Include the role", "ansible.builtin.include_role": include}
    return [{"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}]


def tenant(namespace: str, **settings: Any) -> dict[str, Any]:
    """Return the variables of a small tenant of the simulated node."""
    defaults = {"name": "tts", "namespace": namespace, "image": "registry.example/tts:1", "port": 8004, "gated": True}
    return {f"gpu_tenant_{name}": value for name, value in {**defaults, **settings}.items()}


def deployment(namespace: str, env: Mapping[str, str], replicas: int | None = None, name: str = "tts") -> Object:
    """Return a Deployment as the module takes it; without ``replicas`` their number is left to others."""
    labels = {"app": name}
    container = {
        "name": "main",
        "image": "registry.example/tts:1",
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "strategy": {"type": "Recreate"},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container], "tolerations": [TOLERATION]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


class Live:
    """The objects of one namespace as they are now."""

    def __init__(self, kube: DynamicClient, namespace: str) -> None:
        self._kube = kube
        self.namespace = namespace

    def api(self, kind: str) -> Any:
        return self._kube.resources.get(api_version=VERSIONS.get(kind, "v1"), kind=kind)

    def get(self, kind: str, name: str) -> Any:
        found = self.api(kind).get(name=name, namespace=self.namespace)
        return json.loads(json.dumps(found.to_dict()))

    def there(self, kind: str, name: str) -> bool:
        try:
            self.get(kind, name)
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        return True

    def all(self, *kinds: str) -> Iterator[Any]:
        for kind in kinds or NAMESPACED:
            yield from self.api(kind).get(namespace=self.namespace).to_dict()["items"]

    def names(self, *kinds: str) -> set[tuple[str, str]]:
        found = {(item["kind"], item["metadata"]["name"]) for kind in kinds or NAMESPACED for item in self._list(kind)}
        return found - {("ConfigMap", "kube-root-ca.crt")}

    def _list(self, kind: str) -> list[dict[str, Any]]:
        return [{**item, "kind": kind} for item in self.api(kind).get(namespace=self.namespace).to_dict()["items"]]

    def state(self) -> dict[tuple[str, str], Any]:
        """Return what an apply would have left its mark on: two equal answers mean that nothing was written between."""
        return {(kind, item["metadata"]["name"]): _mark(item) for kind in NAMESPACED for item in self._list(kind)}

    def scale(self, name: str, replicas: int) -> None:
        """Scale as an autoscaler or a gate does: by the scale subresource."""
        body = {"spec": {"replicas": replicas}}
        self.api("Deployment").scale.patch(name=name, namespace=self.namespace, body=body)

    def patch(self, kind: str, name: str, body: Mapping[str, Any]) -> None:
        """Change an object as a person with kubectl does."""
        patch = "application/strategic-merge-patch+json"
        self.api(kind).patch(name=name, namespace=self.namespace, body=body, content_type=patch)

    def delete(self, kind: str, name: str) -> None:
        self.api(kind).delete(name=name, namespace=self.namespace)

    def replicas(self, name: str) -> int:
        return int(self.get("Deployment", name)["spec"]["replicas"])

    def env(self, name: str) -> dict[str, str]:
        container = self.get("Deployment", name)["spec"]["template"]["spec"]["containers"][0]
        return {entry["name"]: entry.get("value", "") for entry in container.get("env") or []}


def _mark(item: Mapping[str, Any]) -> Any:
    meta = item["metadata"]
    if item["kind"] != "Deployment":
        return meta["uid"], meta["resourceVersion"]
    # Its controller writes the status and a revision whenever it likes; it is the only one that updates.
    applied = [entry for entry in meta["managedFields"] if entry["operation"] == "Apply"]
    return (
        meta["uid"],
        meta["generation"],
        meta.get("labels"),
        [(entry["manager"], entry["fieldsV1"]) for entry in applied],
    )


def connect(cluster: LocalCluster, manager: str = FIELD_MANAGER) -> Cluster:
    """Return what the module itself works with."""
    return Cluster(get_api_client(kubeconfig=str(cluster.kubeconfig)), manager)


def apply(cluster: Cluster, *objects: Object, check_mode: bool = False) -> list[Step]:
    """Apply objects as the module does, without waiting for them."""
    return Applier(cluster, check_mode=check_mode, timeout=60).run(list(objects))
