"""Which pods hold VRAM: pod objects of the API server, and the ledger of those that hold it or left it behind."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as the API server shows it. `running` is its phase with a running container, `started_at` that one's."""

    uid: str
    namespace: str
    name: str
    node: str
    container: str
    slices: int
    started_at: float
    running: bool
    ready: bool
    terminating: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A pod that holds VRAM; `gone_at` once it is gone, for the VRAM that it leaked."""

    pod: Pod
    gone_at: float | None = None


Ledger = dict[str, Held]


def observe(ledger: Mapping[str, Held], pods: Iterable[Pod], now: float) -> Ledger:
    """The ledger after a look at all pods.

    A pod comes in when it is running and ready. It stays while it runs, ready or not, as its processes do, and also
    while it terminates (one that is first seen terminating was ready before).
    """
    holding = {
        pod.uid: Held(pod) for pod in pods if pod.running and (pod.ready or pod.terminating or pod.uid in ledger)
    }
    gone = {uid: held if held.gone_at is not None else replace(held, gone_at=now) for uid, held in ledger.items()}
    return gone | holding


def forget(ledger: Mapping[str, Held], before: float) -> Ledger:
    """The ledger without the pods that went before that time."""
    return {uid: held for uid, held in ledger.items() if held.gone_at is None or held.gone_at >= before}


def from_api(item: Mapping[str, Any]) -> Pod:
    """A pod from the JSON of the API server's list."""
    metadata, spec, status = item["metadata"], item["spec"], item.get("status", {})
    started = [started for entry in status.get("containerStatuses") or [] if (started := _running_since(entry))]
    waiting = bool(status.get("containerStatuses")) and not started
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions") or []}
    return Pod(
        uid=metadata["uid"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        node=spec.get("nodeName") or "",
        container=_gpu_container(spec["containers"]),
        slices=sum(_slices(container) for container in spec["containers"]),
        started_at=_seconds(max(started, default="") or status.get("startTime") or metadata["creationTimestamp"]),
        running=status.get("phase") == "Running" and not waiting,
        ready=conditions.get("Ready") == "True",
        terminating="deletionTimestamp" in metadata,
    )


def _running_since(entry: Mapping[str, Any]) -> str:
    running = (entry.get("state") or {}).get("running")
    return "" if running is None else running.get("startedAt") or ""


def _gpu_container(containers: list[dict[str, Any]]) -> str:
    return str(max(containers, key=_slices)["name"])


def _slices(container: Mapping[str, Any]) -> int:
    return int((container.get("resources", {}).get("limits") or {}).get(GPU_RESOURCE, 0))


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
