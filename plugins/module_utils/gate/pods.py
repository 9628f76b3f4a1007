# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pods are a target's, and what they say of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_OVER = ("Succeeded", "Failed")


def pods_of(pods: Iterable[Mapping[str, Any]], deployment: str) -> list[Mapping[str, Any]]:
    """Return the pods of ``deployment`` that may hold VRAM: those of its ReplicaSets that have not ended.

    The Deployment controller names a ReplicaSet by the Deployment and a hash, and controls nothing else.
    """
    return [pod for pod in pods if _deployment(pod) == deployment and _phase(pod) not in _OVER]


def ready(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod is ready and is to stay."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return not leaving(pod) and any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def leaving(pod: Mapping[str, Any]) -> bool:
    """Tell whether the pod is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def _phase(pod: Mapping[str, Any]) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _deployment(pod: Mapping[str, Any]) -> str:
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner.get("controller") and owner.get("kind") == "ReplicaSet":
            return str(owner.get("name", "")).rpartition("-")[0]
    return ""
