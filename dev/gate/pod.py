"""What the kubelet would give the gate's pod: its files, its account's token, and the way to the API server."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kubernetes.dynamic import DynamicClient

from .process import GateProcess

CONTROLLER = "sharedgpu.voice/offpeak-gate"
NAME = "offpeak-gate"


def deployment(kube: DynamicClient, namespace: str, name: str = NAME) -> dict[str, Any]:
    """Return the gate's Deployment."""
    found: dict[str, Any] = _read(kube, "apps/v1", "Deployment", namespace, name)
    return found


def mounted(kube: DynamicClient, namespace: str, pod: Mapping[str, Any], volume: str, folder: Path) -> Path:
    """Write one of the pod's ConfigMap volumes below ``folder`` as the pod sees it, and return its path."""
    source = next(one["configMap"] for one in pod["volumes"] if one["name"] == volume)
    data = _read(kube, "v1", "ConfigMap", namespace, source["name"])["data"]
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    root = folder / str(source["name"])
    for item in items:
        path = root / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(data[item["key"]], encoding="utf-8")
    return root


def token(kube: DynamicClient, namespace: str, account: str = NAME) -> str:
    """Return a new token of a service account for an hour, as it is projected into a pod."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    return str(kube.request("POST", path, body=body).to_dict()["status"]["token"])


def access(kubeconfig: Path, folder: Path) -> tuple[str, Path]:
    """Return the API server's address and its CA as a file."""
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    if "certificate-authority-data" not in config:
        return str(config["server"]), Path(config["certificate-authority"])
    path = folder / "ca.crt"
    path.write_bytes(base64.b64decode(config["certificate-authority-data"]))
    return str(config["server"]), path


def events(kube: DynamicClient, namespace: str) -> list[dict[str, Any]]:
    """Return the gate's Events in a namespace, oldest first."""
    items = kube.resources.get(api_version="events.k8s.io/v1", kind="Event").get(namespace=namespace).to_dict()["items"]
    found = [item for item in items if item.get("reportingController") == CONTROLLER]
    return sorted(found, key=lambda item: str(item["eventTime"]))


def forget(maps: Any, namespace: str, name: str = NAME) -> None:
    """Empty the gate's state, as it is before its first look; ``maps`` is the API of ConfigMaps."""
    body = {"data": dict.fromkeys(("state", "policy", "changes"))}
    merge = "application/merge-patch+json"
    maps.patch(name=f"{name}-state", namespace=namespace, body=body, content_type=merge)


def run(kube: DynamicClient, kubeconfig: Path, folder: Path, namespace: str = NAME) -> GateProcess:
    """Start the deployed gate as its pod would: the same files and arguments, its own account and nothing more."""
    folder.mkdir(parents=True, exist_ok=True)
    pod = deployment(kube, namespace)["spec"]["template"]["spec"]
    container = pod["containers"][0]
    places = {
        mount["mountPath"]: mounted(kube, namespace, pod, mount["name"], folder) for mount in container["volumeMounts"]
    }
    secret = folder / "token"
    secret.write_text(token(kube, namespace, pod["serviceAccountName"]), encoding="ascii")
    server, ca = access(kubeconfig, folder)
    arguments = [_moved(argument, places) for argument in container["args"] if not argument.startswith("--listen=")]
    arguments += [f"--api-server={server}", f"--api-token={secret}", f"--api-ca={ca}"]
    return GateProcess(folder, places[container["workingDir"]], arguments)


def _moved(argument: str, places: Mapping[str, Path]) -> str:
    """Return an argument with the pod's paths as they are on this machine."""
    for inside, outside in places.items():
        argument = argument.replace(f"={inside}/", f"={outside}/")
    return argument


def _read(kube: DynamicClient, api_version: str, kind: str, namespace: str, name: str) -> Any:
    return kube.resources.get(api_version=api_version, kind=kind).get(name=name, namespace=namespace).to_dict()
