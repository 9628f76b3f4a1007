# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate tells Kubernetes: an Event for every transition, with the numbers that it was decided on.

https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Callable

from ..core.gate_view import Decision, Number
from ..core.policy import TenantPolicy
from ..core.quantity import format_duration, format_size
from ..core.reasons import POLICY_REFUSED, SENTENCES
from .kube import Kube, KubeError, Object

CONTROLLER = "sharedgpu.voice/offpeak-gate"
MAX_NOTE = 1024  # what the API server takes
MAX_WAITING = 1000
#: what will not be taken later either: malformed, too large, or of a namespace that is gone
FOR_GOOD = (400, 404, 413, 422)


def told(numbers: Mapping[str, Number]) -> str:
    """Return numbers as people read them."""
    return ", ".join(f"{_words(name)} {_shown(name, value)}" for name, value in numbers.items())


def event(
    tenant: TenantPolicy, decision: Decision, meta: Mapping[str, Any], now: datetime, instance: str, *, warns: bool
) -> Object:
    """Return the Event about ``tenant``'s target, whose metadata is ``meta``; the same one has the same name."""
    identity = f"{tenant.namespace}/{tenant.target.name} {decision.reason} {decision.target_replicas} {_moment(now)}"
    action = f"ScaleTo{decision.target_replicas}" if decision.changed else "Look"
    note = f"{tenant.name}: {SENTENCES[decision.reason]} ({told(decision.numbers)})"
    regarding = {
        "apiVersion": "apps/v1",
        "kind": tenant.target.kind,
        "namespace": tenant.namespace,
        "name": tenant.target.name,
        **({"uid": meta["uid"]} if meta.get("uid") else {}),
    }
    says = {"type": "Warning" if warns else "Normal", "reason": decision.reason, "action": action, "note": note}
    return _event(regarding, identity, says, now, instance)


def refusal(about: Object, content: str, problem: str, now: datetime, instance: str) -> Object:
    """Return the Event about the gate's own object ``about``: a policy with this ``content`` cannot be used.

    The same content has the same name, so that it is told once, however often a gate starts anew.
    """
    meta = about.get("metadata") or {}
    regarding = {"apiVersion": "v1", "kind": "ConfigMap", "namespace": meta["namespace"], "name": meta["name"]}
    if meta.get("uid"):
        regarding["uid"] = meta["uid"]
    note = f"{SENTENCES[POLICY_REFUSED]} {problem}"
    says = {"type": "Warning", "reason": POLICY_REFUSED, "action": "ReadPolicy", "note": note}
    return _event(regarding, content, says, now, instance)


def _event(
    regarding: Mapping[str, str], identity: str, says: Mapping[str, str], now: datetime, instance: str
) -> Object:
    note = says["note"]
    return {
        **says,
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{regarding['name']}.{hashlib.sha256(identity.encode()).hexdigest()[:16]}",
            "namespace": regarding["namespace"],
        },
        "eventTime": _moment(now),
        "note": note if len(note) <= MAX_NOTE else note[: MAX_NOTE - 1] + "…",
        "regarding": dict(regarding),
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
    }


def _moment(now: datetime) -> str:
    return now.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Outbox:
    """Events that wait until the API server takes them; ``report`` takes the class and the message of a failure."""

    def __init__(self, kube: Kube, report: Callable[[str, str], object]) -> None:
        self._kube = kube
        self._report = report
        self._waiting: deque[Object] = deque(maxlen=MAX_WAITING)

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: Object) -> None:
        """Let an Event wait for the next delivery."""
        self._waiting.append(item)

    def deliver(self) -> None:
        """Create what waits, oldest first in each namespace; what is refused for good is told and dropped.

        A namespace that takes none comes last the next time, so that the others do not wait for it.
        """
        shut: set[str] = set()
        self._deliver(shut)
        ordered = sorted(self._waiting, key=lambda item: item["metadata"]["namespace"] in shut)
        self._waiting = deque(ordered, MAX_WAITING)

    def _deliver(self, shut: set[str]) -> None:
        """Create what waits; ``shut`` gets the namespaces that took none."""
        for item in tuple(self._waiting):
            namespace = item["metadata"]["namespace"]
            if namespace in shut:
                continue
            try:
                self._kube.create_event(item)
            except KubeError as error:
                self._report(f"event_{error.code}", str(error))
                if error.sent and error.status not in FOR_GOOD:
                    shut.add(namespace)
                if error.unreachable:
                    return
                if namespace in shut:
                    continue
            self._waiting.remove(item)


def _words(name: str) -> str:
    for suffix in ("_bytes", "_seconds"):
        name = name.removesuffix(suffix)
    return name.replace("_", " ")


def _shown(name: str, value: Number) -> str:
    if isinstance(value, str):
        return value
    if name.endswith("_bytes"):
        return format_size(int(value))
    return format_duration(value) if name.endswith("_seconds") else f"{value:g}"
