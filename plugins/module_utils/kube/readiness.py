# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When is an object in use as it should be, and if not, why? Pure."""

from __future__ import annotations

from typing import Any, Optional

from .objects import Object

MAX_EVENTS = 5
TELLING = (("ReplicaFailure", "True"), ("Failed", "True"))


def awaited(item: Object) -> bool:
    """Return whether ``item`` has a state to wait for: a Deployment that is to run, or a Job."""
    return item["kind"] == "Job" or (item["kind"] == "Deployment" and bool(item["spec"].get("replicas", 0)))


def ready(live: Optional[Object]) -> bool:
    """Return whether a Deployment is rolled out, or a Job has succeeded.

    The condition ``Available`` does not do: with the strategy Recreate it is still true while the old pod ends.
    """
    if live is None:
        return False
    if live["kind"] == "Job":
        return _condition(live, "Complete")
    wanted, status = live["spec"]["replicas"], live.get("status") or {}
    return status.get("observedGeneration", 0) >= live["metadata"]["generation"] and all(
        status.get(count, 0) == wanted
        for count in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    )


def rolled_out(live: Object, template: Object) -> bool:
    """Return whether all pods of a Deployment that do not end are of ``template``; they need not be ready."""
    status = live.get("status") or {}
    observed: bool = status.get("observedGeneration", 0) >= live["metadata"]["generation"]
    alike: bool = live["spec"]["template"] == template
    return alike and observed and bool(status.get("updatedReplicas", 0) == status.get("replicas", 0))


def failed(live: Optional[Object]) -> bool:
    """Return whether waiting on is useless: a Job that has failed."""
    return live is not None and live["kind"] == "Job" and _condition(live, "Failed")


def explain(live: Optional[Object], pods: list[Object], events: list[Object]) -> list[str]:
    """Return why an object is not ready: its conditions, the state of its pods, the last warnings about them."""
    lines = [] if live else ["it is gone"]
    conditions = ((live or {}).get("status") or {}).get("conditions") or []
    lines.extend(_sentence(told) for told in conditions if (told["type"], told["status"]) in TELLING)
    if not pods:
        lines.append("it has no pods")
    for pod in pods:
        lines.extend(f"pod {pod['metadata']['name']}: {state}" for state in _pod_states(pod))
    names = {item["metadata"]["name"] for item in [*pods, *([live] if live else [])]}
    warnings = [
        event for event in events if event.get("type") == "Warning" and event["involvedObject"]["name"] in names
    ]
    lines.extend(f"event of {event['involvedObject']['name']}: {_sentence(event)}" for event in warnings[-MAX_EVENTS:])
    return lines


def _condition(live: Object, kind: str) -> bool:
    conditions = (live.get("status") or {}).get("conditions") or []
    return any(condition["type"] == kind and condition["status"] == "True" for condition in conditions)


def _pod_states(pod: Object) -> list[str]:
    status = pod.get("status") or {}
    states = [
        _sentence(condition)
        for condition in status.get("conditions") or []
        if condition["type"] == "PodScheduled" and condition["status"] == "False"
    ]
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        state = container.get("state") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if "waiting" in state:
            states.append(f"container {container['name']} waits: {_sentence(state['waiting'])}")
        if ended and ended.get("exitCode"):
            states.append(f"container {container['name']} ended with {ended['exitCode']}: {_sentence(ended)}")
        elif "running" in state and not container.get("ready"):
            states.append(f"container {container['name']} runs and is not ready")
    return states or [f"{status.get('phase', 'Unknown')}"]


def _sentence(said: dict[str, Any]) -> str:
    return ": ".join(str(said[key]) for key in ("reason", "message") if said.get(key)) or "no reason given"
