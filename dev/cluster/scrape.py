"""The configuration of the Prometheus beside the cluster: it scrapes the simulated card as operators do theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml


@dataclass(frozen=True)
class Exporter:
    """How one exporter is usually found: its page on the card, its port in real life, the pod that serves it."""

    path: str
    port: int
    namespace: str


EXPORTERS = {
    "dcgm": Exporter("/metrics/dcgm", 9400, "gpu-operator"),
    "gpu-pod-exporter": Exporter("/metrics/gpu-pod-exporter", 9401, "monitoring"),
    "nvidia-gpu-exporter": Exporter("/metrics/nvidia-gpu-exporter", 9835, "monitoring"),
}
_JOBS = {"dcgm": "nvidia-dcgm-exporter"}


def job_of(exporter: str) -> str:
    """Return the value of the `job` label."""
    return _JOBS.get(exporter, exporter)


def prometheus_config(exporters: Sequence[str], *, card: str, interval: int, honor_labels: bool) -> str:
    """Return prometheus.yml; `card` is host:port, `interval` in seconds.

    The target carries the labels that a ServiceMonitor gives it (namespace, pod, container, service): with
    `honor_labels` off they push the exporter's own labels of these names aside, into `exported_…`.
    """
    jobs = []
    for name in exporters:
        exporter = EXPORTERS[name]
        job = job_of(name)
        labels = {
            "instance": f"192.0.2.10:{exporter.port}",
            "namespace": exporter.namespace,
            "pod": f"{job}-x7k2p",
            "container": job,
            "service": job,
            "endpoint": "metrics",
        }
        jobs.append(
            {
                "job_name": job,
                "metrics_path": exporter.path,
                "honor_labels": honor_labels,
                "static_configs": [{"targets": [card], "labels": labels}],
            }
        )
    every = f"{interval}s"
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "scrape_configs": jobs,
    }
    return yaml.safe_dump(config, sort_keys=False)
