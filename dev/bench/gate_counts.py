"""What others count while a gate runs: the API server, etcd, Prometheus, the kernel."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from dev import loopback
from dev.bench.gate_objects import VERBS
from dev.cluster.layout import Layout
from dev.cluster.ports import LOOPBACK

_TICKS = os.sysconf("SC_CLK_TCK")
_SAMPLE = re.compile(r"^(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'([a-z_]+)="([^"]*)"')
_CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Counts:
    """Since the start of each: requests of one account by verb, and what the whole cluster did."""

    requests: Mapping[str, int]
    etcd_puts: int
    queries: int
    pods: int
    control_plane_seconds: float

    def since(self, before: Counts) -> Counts:
        """Return what came on top."""
        asked = {verb: number - before.requests[verb] for verb, number in self.requests.items()}
        rest = {one.name: getattr(self, one.name) - getattr(before, one.name) for one in fields(self)[1:]}
        return Counts(asked, **rest)


def total(page: str, name: str, **labels: str) -> int:
    """Return the sum of a metric's samples on a page that have these labels."""
    found = 0.0
    for match in _SAMPLE.finditer(page):
        told = dict(_LABEL.findall(match["labels"] or ""))
        if match["name"] == name and all(told.get(key) == value for key, value in labels.items()):
            found += float(match["value"])
    return int(found)


def counts(root: Path, page: str, namespace: str) -> Counts:
    """Return what the cluster of this folder has counted.

    `page` are the API server's metrics, `namespace` is that of the flow schemas.
    """
    layout = Layout(root)
    ports = layout.ports()
    etcd = loopback.get(f"http://{LOOPBACK}:{ports['etcd']}/metrics", timeout=20).text
    prometheus = loopback.get(f"http://{LOOPBACK}:{ports['prometheus']}/metrics", timeout=20).text
    records = layout.records()
    return Counts(
        requests=requests_by_verb(page, namespace),
        etcd_puts=total(etcd, "etcd_mvcc_put_total"),
        queries=total(prometheus, "prometheus_http_requests_total", handler="/api/v1/query"),
        pods=total(page, "apiserver_request_total", verb="POST", resource="pods", subresource=""),
        control_plane_seconds=cpu_seconds([records[name].process.pid for name in _CONTROL_PLANE]),
    )


def requests_by_verb(page: str, namespace: str) -> dict[str, int]:
    """Return how many requests of the flow schemas `namespace-verb` the API server has dispatched."""
    name = "apiserver_flowcontrol_dispatched_requests_total"
    return {verb: total(page, name, flow_schema=f"{namespace}-{verb}") for verb in VERBS}


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the processor time of processes, user and system."""
    return sum(sum(map(int, _stat(pid)[11:13])) for pid in pids) / _TICKS


def memory(pid: int, name: str = "VmRSS") -> float:
    """Return the memory of a process in MiB: VmRSS now, VmHWM at its most."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    match = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    if match is None:
        raise ValueError(f"the kernel does not tell the {name} of process {pid}")
    return int(match[1]) / 1024


def _stat(pid: int) -> list[str]:
    # The name before may hold spaces and brackets.
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
