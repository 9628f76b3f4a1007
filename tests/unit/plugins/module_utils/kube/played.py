"""An API server that plays fixed answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.cluster import Cluster
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.objects import Object

US = "sharedgpu.voice"


class Played(Cluster):
    """Answers reads with the next of ``reads`` and lists of pods with the next of ``pods``; the last ones stay."""

    def __init__(self, reads: Sequence[Object | None] = (None,), pods: Sequence[list[Object]] = ([],)) -> None:
        super().__init__(None, US)
        self._reads, self._pods = list(reads), list(pods)
        self.deleted: list[Object] = []

    def read(self, item: Object) -> Object | None:
        return self._reads.pop(0) if len(self._reads) > 1 else self._reads[0]

    def pods(self, deployment: Object) -> list[Object]:
        return self._pods.pop(0) if len(self._pods) > 1 else self._pods[0]

    def delete(self, live: Object) -> None:
        self.deleted.append(live)


def pod(name: str, phase: str = "Running", priority: str = "", **meta: Any) -> Object:
    """Return a pod as a list shows it: without its kind."""
    metadata = {"name": name, "namespace": "n", **meta}
    return {"metadata": metadata, "spec": {"priorityClassName": priority}, "status": {"phase": phase}}
