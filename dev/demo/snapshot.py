"""Which version of which object the API server holds: equal snapshots prove that nothing was touched between them."""

from __future__ import annotations

from pathlib import Path

from kubernetes import config
from kubernetes.dynamic import DynamicClient

# Kinds that the cluster itself writes all the time.
RESTLESS = frozenset({"Event", "Lease", "Node"})


def connect(kubeconfig: Path, cache: Path) -> DynamicClient:
    """Return a client; `cache` keeps what it learnt of the API server and belongs to this cluster alone."""
    client = config.new_client_from_config(str(kubeconfig))
    return DynamicClient(client, cache_file=str(cache))


def snapshot(kube: DynamicClient) -> dict[str, str]:
    """Return the resource version of every object by API version, kind, namespace and name."""
    versions = {}
    for resource in kube.resources.search():
        if resource.kind.endswith("List") or resource.kind in RESTLESS or "list" not in (resource.verbs or ()):
            continue
        for item in resource.get().to_dict().get("items") or []:
            meta = item["metadata"]
            name = f"{resource.group_version} {resource.kind} {meta.get('namespace', '')}/{meta['name']}"
            versions[name] = meta.get("resourceVersion", "")
    return versions


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Return a line for each object that came, went or changed."""
    lines = [f"gone: {name}" for name in before.keys() - after.keys()]
    lines += [f"new: {name}" for name in after.keys() - before.keys()]
    lines += [f"changed: {name}" for name in before.keys() & after.keys() if before[name] != after[name]]
    return sorted(lines)
