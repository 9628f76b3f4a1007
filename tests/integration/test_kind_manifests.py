"""The manifests of the scenario kind, put to a real API server: Docker is not needed to know that it takes them."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from tests.integration.clusters import CHECKOUT

MANIFESTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((CHECKOUT / "molecule/kind/files/monitoring.yml").read_text(encoding="utf-8"))
)


def rehearse(kube: DynamicClient, namespace: str, manifest: dict[str, Any]) -> None:
    """Apply a manifest as the API server would, strictly, without keeping anything."""
    api = kube.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
    if api.namespaced:
        manifest = manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}}
    api.server_side_apply(
        body=manifest,
        name=manifest["metadata"]["name"],
        namespace=namespace if api.namespaced else None,
        field_manager="test",
        dry_run="All",
        field_validation="Strict",
    )


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda item: f"{item['kind']}-{item['metadata']['name']}")
def test_manifest_is_what_kubernetes_takes(kube: DynamicClient, manifest: dict[str, Any]) -> None:
    rehearse(kube, "default", manifest)


def test_a_misspelt_field_is_noticed(kube: DynamicClient) -> None:
    wrong = next(item for item in MANIFESTS if item["kind"] == "Deployment") | {"spek": {}}
    with pytest.raises(ApiException, match="spek"):
        rehearse(kube, "default", wrong)
