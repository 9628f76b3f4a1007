# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Delete objects, and see them and the pods of Deployments gone; name what stays, and what ends it."""

from __future__ import annotations

import time

from . import objects
from .cluster import Cluster
from .objects import Object, title
from .refusal import Refused, RefusedAll

POLL_SECONDS = 1.0


def delete(cluster: Cluster, live: Object) -> None:
    """Delete exactly this object; that somebody else has done so is as good."""
    try:
        cluster.delete(live)
    except Refused as refused:
        if refused.code != 404:
            raise


def until_gone(cluster: Cluster, item: Object, deadline: float) -> None:
    """Wait until this object is gone; raises RefusedAll at ``deadline``, in seconds of the monotonic clock."""
    while True:
        live = cluster.read(item)
        if live is None or live["metadata"]["uid"] != item["metadata"]["uid"]:
            return
        if time.monotonic() >= deadline:
            pods = "".join(f"\n- {_held(pod)}" for pod in _left(cluster, live))
            raise RefusedAll(f"{title(item)} is still there after the time-out; what holds it: {_holder(live)}{pods}")
        time.sleep(POLL_SECONDS)


def until_podless(cluster: Cluster, deployment: Object, deadline: float) -> None:
    """Wait until no pod that the Deployment selects can hold VRAM, whoever deleted the Deployment, and how."""
    while True:
        pods = _left(cluster, deployment)
        if not pods:
            return
        if time.monotonic() >= deadline:
            told = "".join(f"\n- {_held(pod)}" for pod in pods)
            raise RefusedAll(f"{title(deployment)} is gone, but not its pods, which may hold VRAM:{told}")
        time.sleep(POLL_SECONDS)


def _left(cluster: Cluster, item: Object) -> list[Object]:
    pods = cluster.pods(item) if item["kind"] == "Deployment" else []
    return [pod for pod in pods if not objects.ended(pod)]


def _held(pod: Object) -> str:
    """Return what a pod waits for, or what ends it: one that its owner would only make anew is not to be deleted."""
    meta = pod["metadata"]
    name = f"Pod {meta['namespace']}/{meta['name']}"
    if objects.ending(pod):
        return f"{name} is ending; what holds it: {_holder(pod)}"
    owner = next((one for one in meta.get("ownerReferences") or [] if one.get("controller")), pod)
    what = f"{owner.get('kind') or 'Pod'}/{owner.get('name') or meta['name']}".lower()
    return f"{name} still runs and nobody ends it: kubectl -n {meta['namespace']} delete {what}, and run again"


def _holder(live: Object) -> str:
    return ", ".join(live["metadata"].get("finalizers") or []) or "no finalizer: see its events"
