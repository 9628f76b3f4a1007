# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes objects as dictionaries: who owns their fields, what changed, what became of them. Pure."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any, Optional

from ..core.selectors import requirements

Object = dict[str, Any]

# By it the Deployment of a tenant (role gpu_tenant) selects its pods.
WORKLOAD_LABEL = "sharedgpu.voice/workload"

# What YAML 1.1 gives a meaning, refuses or normalises inside a quoted scalar, although JSON allows it raw.
_UNSAFE_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
# Written by the server or by controllers, never by an apply.
_SERVER_METADATA = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink")


def title(item: Mapping[str, Any]) -> str:
    """Return an object as people name it: ``Deployment tts/chatterbox``."""
    meta = item.get("metadata") or {}
    path = "/".join(str(part) for part in (meta.get("namespace"), meta.get("name")) if part)
    return f"{item.get('kind')} {path}"


def apply_body(item: Object) -> str:
    """Return an object as JSON that the server's YAML parser reads as the same data.

    The API server parses a server-side apply as YAML, which knows no surrogate pairs: ``json.dumps`` alone, as the
    Python client sends it, is refused for every character above U+FFFF.
    """
    text = json.dumps(item, ensure_ascii=False)
    return _UNSAFE_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def visible(item: Optional[Object]) -> Object:
    """Return what a person means by the object: without its status and the server's bookkeeping."""
    if item is None:
        return {}
    meta = {key: value for key, value in item["metadata"].items() if key not in _SERVER_METADATA}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": meta}


def version(item: Object) -> Optional[str]:
    """Return the resource version, by which two reads of an object are the same or not."""
    found = item["metadata"].get("resourceVersion")
    return None if found is None else str(found)


def pinned(item: Object, live: Object) -> Object:
    """Return ``item`` so that it applies to ``live`` only, not to a successor of the same name."""
    return {**item, "metadata": {**item["metadata"], "uid": live["metadata"]["uid"]}}


def rebound(item: Object, live: Optional[Object]) -> Object:
    """Return a PersistentVolume so that it takes its claim back after the claim was deleted and made anew.

    A released volume remembers the deleted claim's uid and would wait for it for ever
    (https://kubernetes.io/docs/concepts/storage/persistent-volumes/#retain).
    """
    if item.get("kind") != "PersistentVolume" or live is None or live["status"].get("phase") != "Released":
        return item
    if not (item.get("spec") or {}).get("claimRef"):
        return item
    return {**item, "spec": {**item["spec"], "claimRef": {**item["spec"]["claimRef"], "uid": ""}}}


def leaves_scale(item: Object) -> bool:
    """Return whether the number of replicas is left to others: a Deployment without ``spec.replicas``."""
    return item.get("kind") == "Deployment" and item["spec"].get("replicas") is None


def with_replicas(item: Object, number: int) -> Object:
    """Return ``item`` with its number of replicas."""
    return {**item, "spec": {**item["spec"], "replicas": number}}


def scale_would_reset(live: Object, manager: str) -> bool:
    """Return whether an apply by ``manager`` without ``spec.replicas`` would have the server default them to 1.

    So it is when ``manager`` alone owns the number
    (https://kubernetes.io/docs/reference/using-api/server-side-apply/#transferring-ownership). That nobody owns it is
    normal: who scales to 0 by the scale subresource becomes no owner, because that sends no zero.
    """
    owners = {
        (entry.get("manager"), entry.get("operation"))
        for entry in live["metadata"].get("managedFields") or []
        if "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
    }
    return owners == {(manager, "Apply")}


def applied_by(live: Object, manager: str) -> bool:
    """Return whether ``manager`` applied some of ``live``."""
    return any(_applier(entry) == manager for entry in live["metadata"].get("managedFields") or [])


def applied_fields(live: Object, manager: str) -> Any:
    """Return which fields ``manager`` owns by applying them; None if it applied nothing."""
    entries = live["metadata"].get("managedFields") or []
    return next((one.get("fieldsV1") for one in entries if _applier(one) == manager), None)


def _applier(entry: Mapping[str, Any]) -> Optional[str]:
    return entry.get("manager") if entry.get("operation") == "Apply" else None


def scale_claim(live: Object) -> Object:
    """Return the smallest object that owns the number of replicas of ``live``, unless somebody has written since."""
    kept = ("name", "namespace", "uid", "resourceVersion")
    return {
        "apiVersion": live["apiVersion"],
        "kind": live["kind"],
        "metadata": {key: live["metadata"][key] for key in kept},
        "spec": {"replicas": live["spec"]["replicas"]},
    }


def selector_of(item: Object) -> str:
    """Return how a Deployment or a Job selects its pods, as the API server takes it; empty if ``item`` does not say.

    The tenants of this collection say it by a label: what is only to be removed has no ``spec``.
    """
    selector = (item.get("spec") or {}).get("selector") or {}
    if not selector:
        named = (item["metadata"].get("labels") or {}).get(WORKLOAD_LABEL)
        selector = {"matchLabels": {WORKLOAD_LABEL: named}} if named else {}
    return ",".join(requirements(selector))


def ended(pod: Object) -> bool:
    """Return whether all containers of a pod have ended for good: it holds no VRAM, though its entry may stay."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def ending(item: Object) -> bool:
    """Return whether the object was deleted and is there until what holds it lets go."""
    return bool(item["metadata"].get("deletionTimestamp"))


def rehearsal_of(job: Object) -> Object:
    """Return a Job that can be rehearsed while one of its name is there, whose template nobody can change."""
    # Labels of its pods get the name, of at most 63 characters.
    return {**job, "metadata": {**job["metadata"], "name": f"{job['metadata']['name'][:50]}-rehearsal"}}


def pod_of(deployment: Object) -> Object:
    """Return the pod that a Deployment asks for, to be shown to admission in a dry run."""
    template = copy.deepcopy(deployment["spec"]["template"])
    meta = deployment["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **template.get("metadata", {}),
            "name": f"{meta['name']}-rehearsal",
            "namespace": meta["namespace"],
        },
        "spec": template["spec"],
    }


def rewritten_priority(deployment: Object, admitted_pod: Object) -> Optional[str]:
    """Return a sentence with both values if a pod, or a template, has another priority class than was asked for."""
    asked = deployment["spec"]["template"]["spec"].get("priorityClassName") or ""
    admitted = admitted_pod["spec"].get("priorityClassName") or ""
    if not asked or asked == admitted:
        return None
    return (
        f"{title(deployment)}: priorityClassName {asked!r} was asked for, an admission policy made it {admitted!r}; "
        f"ask for {admitted!r}, or have the policy leave out the namespace"
    )
