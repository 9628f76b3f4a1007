"""The objects that are applied: tenants of eight objects each, and copies of what `site.yml` applies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, count, islice
from typing import Any

Object = dict[str, Any]

_APP = "app.kubernetes.io/name"
_GATE = "sharedgpu.voice/gate-namespace"


def tenants(namespace: str, number: int) -> list[Object]:
    """Return the first `number` objects of as many tenants as it takes; their Deployments have 0 replicas."""
    return list(islice(chain.from_iterable(_tenant(namespace, f"tenant-{index}") for index in count()), number))


def _tenant(namespace: str, name: str) -> Iterable[Object]:
    def thing(version: str, kind: str, **content: Any) -> Object:
        metadata = {"name": name, "namespace": namespace, "labels": {_APP: name}}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}

    subject = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
    return (
        _deployment(thing, name),
        thing("v1", "ConfigMap", data={"config.yaml": "".join(f"option_{line}: {line}\n" for line in range(50))}),
        thing("v1", "Secret", stringData={"API_KEY": "not a secret"}),
        thing("v1", "ServiceAccount", automountServiceAccountToken=False),
        thing("v1", "Service", spec={"selector": {_APP: name}, "ports": [{"name": "http", "port": 8000}]}),
        thing(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            spec={"podSelector": {"matchLabels": {_APP: name}}, "policyTypes": ["Ingress"], "ingress": []},
        ),
        thing(
            "rbac.authorization.k8s.io/v1",
            "Role",
            rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
        ),
        thing("rbac.authorization.k8s.io/v1", "RoleBinding", subjects=[subject], roleRef=role),
    )


def _deployment(thing: Callable[..., Object], name: str) -> Object:
    container = {
        "name": "server",
        "image": "registry.example/server:1",
        "env": [{"name": f"OPTION_{index}", "value": str(index)} for index in range(20)],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"nvidia.com/gpu": "1"}},
    }
    template = {"metadata": {"labels": {_APP: name}}, "spec": {"serviceAccountName": name, "containers": [container]}}
    return thing(
        "apps/v1",
        "Deployment",
        spec={"replicas": 0, "selector": {"matchLabels": {_APP: name}}, "template": template},
    )


def applied(tasks: Iterable[Mapping[str, Any]]) -> list[Object]:
    """Return what a play applied with `kube_objects`, in its order, from the results of its tasks."""
    calls = (task["result"]["invocation"]["module_args"] for task in tasks if task["action"].endswith(".kube_objects"))
    return [body for call in calls for body in call["present"]]


def elsewhere(objects: Sequence[Object], suffix: str) -> list[Object]:
    """Return copies for other namespaces: each has a suffix, also where a gate's label names it.

    By that label the role finds what a gate has in other namespaces, and would remove the copies.
    """
    copies = copy.deepcopy(list(objects))
    for body in copies:
        metadata = body["metadata"]
        field = "name" if body["kind"] == "Namespace" else "namespace"
        for values, name in ((metadata, field), (metadata.get("labels", {}), _GATE)):
            if name in values:
                values[name] = f"{values[name]}-{suffix}"
    return copies
