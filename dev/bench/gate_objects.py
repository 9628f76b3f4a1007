"""What gates are measured on: cards with a resident and a gated tenant each, their plan, and the gate's account."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from dev.bench.objects import Object

ACCOUNT = "gate"
STATE = "gate-state"
EXPORTERS = ("dcgm", "gpu-pod-exporter")
QUIET, LOUD = "2048Mi", "10957Mi"
"""What the resident of a card holds: with room for the tenant, and without."""
VERBS = ("get", "list", "patch", "create", "update", "delete", "watch")
_TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
_ALWAYS = {"start": "00:00", "end": "24:00", "timezone": "Etc/UTC"}


@dataclass(frozen=True)
class Place:
    """A card with one gated tenant: the Deployment `name` in `namespace`."""

    name: str
    namespace: str

    @property
    def resident(self) -> str:
        """Return the name of the card's other resident, which never is gated."""
        return f"{self.name}-resident"


def plan(places: Iterable[Place], prometheus_url: str | None, gate: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plan in which every tenant may run at any time, while its card has room.

    Residents are not declared: what counts of them is what they hold, so that a tenant may come back after a yield.
    """
    found = list(places)
    gated = [
        {
            "name": place.name,
            "card": place.name,
            "mode": "gated",
            "peak": "4Gi",
            "floor": "6Gi",
            "namespace": place.namespace,
            "target": {"kind": "Deployment", "name": place.name},
            "windows": [_ALWAYS],
        }
        for place in found
    ]
    cards = [{"name": place.name, "uuid": card_uuid(place), "total": "15Gi"} for place in found]
    where = {} if prometheus_url is None else {"prometheus_url": prometheus_url}
    return {**where, "margin": "2Gi", "cards": cards, "tenants": gated, "gate": dict(gate)}


def scenario(places: Sequence[Place]) -> dict[str, Any]:
    """Return the scenario of a simulated machine with these cards; tenants hold VRAM while their pods run."""
    cards = [
        {
            "name": place.name,
            "node": "gpu-1",
            "uuid": card_uuid(place),
            "model": "Tesla T4",
            "total": "15Gi",
            "reserved": "450Mi",
        }
        for place in places
    ]
    tenants = [
        {
            "name": place.name,
            "card": place.name,
            "match": {"namespace": place.namespace, "pod": f"{place.name}-.*", "node": "gpu-.*"},
            "idle": "4000Mi",
        }
        for place in places
    ]
    residents = [
        {
            "name": place.resident,
            "card": place.name,
            "pod": {"namespace": place.resident, "name": f"{place.resident}-1", "container": "main"},
            "idle": QUIET,
        }
        for place in places
    ]
    return {
        "cards": cards,
        "workloads": tenants + residents,
        "exporters": {name: {"interval_seconds": 0} for name in EXPORTERS},
    }


def deployment(place: Place) -> Object:
    """Return a target at 0 replicas."""
    labels = {"app": place.name}
    container = {"name": "main", "image": "registry.example/tenant:1"}
    spec = {
        "containers": [container],
        "tolerations": [_TOLERATION],
        "nodeSelector": {"nvidia.com/gpu.present": "true"},
        "terminationGracePeriodSeconds": 0,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": place.name, "namespace": place.namespace},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


def rights(namespace: str) -> list[Object]:
    """Return the gate's account in its namespace, its state, and its rights in all of them as the role gives them."""
    rules = [
        {"apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [STATE], "verbs": ["get", "patch"]},
    ]
    api, name = "rbac.authorization.k8s.io", f"bench-{namespace}"
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": STATE, "namespace": namespace}},
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}],
        },
    ]


def flow_schema(account: str, namespace: str, verb: str) -> Object:
    """Return the object that lets the API server count what an account asks with one verb, as `namespace-verb`."""
    subject = {"kind": "ServiceAccount", "serviceAccount": {"name": account, "namespace": namespace}}
    rule = {
        "verbs": [verb],
        "apiGroups": ["*"],
        "resources": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": f"{namespace}-{verb}"},
        "spec": {
            "matchingPrecedence": 500,
            "priorityLevelConfiguration": {"name": "workload-high"},
            "rules": [{"subjects": [subject], "resourceRules": [rule]}],
        },
    }


def cron_job(namespace: str, name: str, schedule: str) -> Object:
    """Return a CronJob as the role's engine `cronjobs` makes its guard, as far as the controllers see it."""
    container = {"name": "gate", "image": "registry.example/python:1"}
    template = {"metadata": {"labels": {"job": name}}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "schedule": schedule,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 200,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": {"backoffLimit": 3, "activeDeadlineSeconds": 600, "template": template}},
        },
    }


def card_uuid(place: Place) -> str:
    """Return the UUID of the place's card."""
    return f"GPU-{uuid5(NAMESPACE_DNS, f'{place.name}.{place.namespace}')}"
