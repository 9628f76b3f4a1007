"""What a component is, which there are, and in which order they stop."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PORTS = {
    "etcd": ("etcd", "etcd-peer"),
    "kube-apiserver": ("kube-apiserver",),
    "kube-controller-manager": ("kube-controller-manager",),
    "kube-scheduler": ("kube-scheduler",),
    "kwok": ("kwok",),
    "card": ("card",),
    "prometheus": ("prometheus",),
    "containerd": (),
    "kubelet": ("kubelet", "kubelet-health"),
    "kube-proxy": ("kube-proxy-health", "kube-proxy-metrics"),
}
"""The ports of each component by name; the keys are in the order of a start."""

STOP_WAVES = (
    ("kwok", "kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager", "card", "prometheus"),
    ("kube-apiserver",),
    ("etcd", "containerd"),
)
"""With etcd gone first the API server lingers for over a minute and keeps its port."""


@dataclass(frozen=True)
class Component:
    """One process of the cluster."""

    name: str
    argv: tuple[str, ...]
    address: str
    ready: Callable[[], bool]
    after: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    """Files that the process reads at its start only: changed ones need a new process."""
    marked: bool = True
    """False where what it starts must outlive it: the marker, by which strays are found, is inherited."""

    def fingerprint(self) -> str:
        """Return what this process is made from, to tell whether a running one is still what is wanted."""
        digest = hashlib.sha256("\0".join(self.argv).encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()
