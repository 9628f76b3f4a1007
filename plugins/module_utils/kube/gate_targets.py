# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at what a gate is to scale, before it is deployed: that it is there, and that nobody else scales it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Optional

from .cluster import Cluster
from .objects import Object
from .refusal import Refused
from .rivals import GATE_LABEL, Others, Target, rivals

_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class Looker:
    """Reads targets and who else scales in their namespaces, each namespace once; ``gate``: its namespace and name."""

    def __init__(self, cluster: Cluster, gate: tuple[str, str]) -> None:
        self._cluster = cluster
        self._gate = gate
        self._others: dict[str, Others] = {}

    def look(self, target: Target) -> dict[str, Any]:
        """Return what there is; ``replicas`` is None for a target that cannot be scaled because it is not there."""
        path = f"/apis/apps/v1/namespaces/{target.namespace}/deployments/{target.name}/scale"
        scale = self._cluster.fetch(path)
        return {
            "tenant": target.tenant,
            "namespace": target.namespace,
            "name": target.name,
            "replicas": None if scale is None else int((scale.get("spec") or {}).get("replicas", 0)),
            "rivals": rivals(target, self._of(target.namespace), self._gate),
        }

    def _of(self, namespace: str) -> Others:
        if namespace not in self._others:
            labelled = f"?labelSelector={GATE_LABEL}"
            self._others[namespace] = Others(
                self._items(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"),
                self._items(f"/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects"),
                self._items(f"{_RBAC}/namespaces/{namespace}/roles{labelled}"),
                self._items(f"{_RBAC}/namespaces/{namespace}/rolebindings{labelled}"),
            )
        return self._others[namespace]

    def _items(self, path: str) -> list[Object]:
        """Return the objects of a list; none where the cluster does not know their kind."""
        found = self._cluster.fetch(path)
        items: list[Object] = [] if found is None else found["items"]
        return items


def problems(found: Iterable[dict[str, Any]], *, missing: bool) -> list[str]:
    """Return what keeps a gate from the targets, with remedies; ``missing`` tells whether absent ones count."""
    return [sentence for one in found for sentence in (_absent(one) if missing else None, _contested(one)) if sentence]


def _absent(one: dict[str, Any]) -> Optional[str]:
    if one["replicas"] is not None:
        return None
    remedy = "deploy it first, or correct the target's name"
    return f"{_subject(one)} is no Deployment in namespace {one['namespace']}; {remedy}"


def _contested(one: dict[str, Any]) -> Optional[str]:
    if not one["rivals"]:
        return None
    by = f"{', '.join(one['rivals'])} in namespace {one['namespace']}"
    return f"{_subject(one)} is also scaled by {by}; remove that one, or declare the tenant warm or on_demand"


def _subject(one: dict[str, Any]) -> str:
    return f"vram_plan: target {one['name']!r} of tenant {one['tenant']}"


def look(cluster: Cluster, params: dict[str, Any], *, check_mode: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the result, and what is wrong; a run that is only checked may make targets before."""
    looker = Looker(cluster, (params["namespace"], params["name"]))
    targets = [Target(one["name"], one["namespace"], one["target"]) for one in params["tenants"]]
    state = f"/api/v1/namespaces/{params['namespace']}/configmaps/{params['name']}-state"
    try:
        found = [looker.look(target) for target in targets]
        kept = (cluster.fetch(state) or {}).get("data") or {}
    except Refused as refused:
        return {}, [f"{refused.item['metadata']['name']}: {refused.text}; {refused.remedy}"]
    return {"targets": found, "state": kept}, problems(found, missing=not check_mode)
