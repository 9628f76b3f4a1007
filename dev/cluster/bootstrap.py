"""What a cluster needs beside its processes: nodes, the default service account, the first samples."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from dev.cluster import health
from dev.cluster.errors import ClusterError
from dev.cluster.scrape import job_of
from dev.node.home import NAME

NODES = Path(__file__).parent / "nodes.yaml"
GPU = "nvidia.com/gpu"
_WITHIN = 60.0


def ensure_nodes(kubeconfig: Path) -> None:
    """Create the nodes that are missing and put the capacity of the others right."""
    api = _core_api(kubeconfig)
    present = {_name(node) for node in api.list_node().items}
    for node in yaml.safe_load(NODES.read_text(encoding="utf-8")):
        name = node["metadata"]["name"]
        if name not in present:
            api.create_node(node)
        api.patch_node_status(name, {"status": node["status"]})


def equip_node(kubeconfig: Path) -> None:
    """Wait until the kubelet has registered its node, and give that its time slices: no device plugin runs there."""
    api = _core_api(kubeconfig)
    _wait("the kubelet to register its node (see kubelet.log)", lambda: bool(api.list_node().items))
    slices = {GPU: "100"}
    api.patch_node_status(NAME, {"status": {"capacity": slices, "allocatable": slices}})


def wait_usable(kubeconfig: Path) -> None:
    """Wait until every node is Ready and pods can be created in the default namespace."""
    api = _core_api(kubeconfig)
    _wait("the nodes to become Ready (see kwok.log or kubelet.log)", lambda: all(map(_is_ready, api.list_node().items)))
    _wait(
        "the service account of the default namespace (see kube-controller-manager.log)",
        lambda: any(_name(one) == "default" for one in api.list_namespaced_service_account("default").items),
    )


def wait_samples(prometheus_url: str, exporters: Sequence[str]) -> None:
    """Wait until Prometheus has a good scrape of every exporter: it is ready seconds before it has one."""
    wanted = {job_of(name) for name in exporters}

    def scraped() -> bool:
        body = health.answer_of(health.ask(f"{prometheus_url}/api/v1/query", params={"query": "up == 1"}))
        return bool(body) and wanted <= {series["metric"].get("job") for series in body["data"]["result"]}

    _wait(f"a scrape of {', '.join(sorted(wanted))} (see prometheus.log and card.log)", scraped)


def _core_api(kubeconfig: Path) -> client.CoreV1Api:
    return client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))


def _name(thing: Any) -> str:
    return str(thing.metadata.name)


def _is_ready(node: Any) -> bool:
    conditions = node.status.conditions or []
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)


def _wait(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WITHIN
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"waited {_WITHIN:.0f} s in vain for {what}")
        time.sleep(0.1)
