"""The scenario kind, as far as it can be checked without Docker: its files say what kind and Kubernetes take."""

from __future__ import annotations

from typing import Any

import yaml

from dev.setup.common import ROOT

KIND = ROOT / "molecule" / "kind"
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((KIND / "files" / "monitoring.yml").read_text()))
CREATE: list[dict[str, Any]] = yaml.safe_load((KIND / "create.yml").read_text())

# https://pkg.go.dev/sigs.k8s.io/kind/pkg/apis/config/v1alpha4
CLUSTER_KEYS = {
    "kind",
    "apiVersion",
    "name",
    "nodes",
    "networking",
    "featureGates",
    "runtimeConfig",
    "kubeadmConfigPatches",
    "kubeadmConfigPatchesJSON6902",
    "containerdConfigPatches",
    "containerdConfigPatchesJSON6902",
}
NODE_KEYS = {
    "role",
    "image",
    "labels",
    "extraMounts",
    "extraPortMappings",
    "kubeadmConfigPatches",
    "kubeadmConfigPatchesJSON6902",
}
PORT_KEYS = {"containerPort", "hostPort", "listenAddress", "protocol"}


def node_ports() -> set[int]:
    services = [item for item in MANIFESTS if item["kind"] == "Service"]
    return {port["nodePort"] for item in services for port in item["spec"]["ports"]}


def test_cluster_has_only_keys_that_kind_knows() -> None:
    cluster = yaml.safe_load((KIND / "files" / "cluster.yml").read_text())
    assert (cluster["kind"], cluster["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert set(cluster) <= CLUSTER_KEYS
    assert [node["role"] for node in cluster["nodes"]] == ["control-plane", "worker"]
    assert [set(node) - NODE_KEYS for node in cluster["nodes"]] == [set(), set()]
    ports = cluster["nodes"][1]["extraPortMappings"]
    assert [set(port) - PORT_KEYS for port in ports] == [set(), set()]
    assert {port["containerPort"] for port in ports} == node_ports()


def test_stand_in_has_the_name_that_the_demo_deploys() -> None:
    defaults = yaml.safe_load((ROOT / "roles" / "stt_speaches" / "defaults" / "main.yml").read_text())
    name = f"{defaults['stt_speaches_image']}:{defaults['stt_speaches_image_tag']}"
    card = next(item for item in MANIFESTS if item["kind"] == "Deployment" and item["metadata"]["name"] == "card")
    assert card["spec"]["template"]["spec"]["containers"][0]["image"] == name
    assert CREATE[0]["vars"]["kind_image"] == name


def test_ports_are_asked_for_in_the_order_in_which_they_are_used() -> None:
    asking = next(task for task in CREATE[0]["tasks"] if task.get("register") == "kind_ports")
    by_name = {item["metadata"]["name"]: item for item in MANIFESTS if item["kind"] == "Service"}
    named = [by_name[name]["spec"]["ports"][0]["nodePort"] for name in ("prometheus", "card")]
    assert asking["loop"] == named


def test_files_of_the_image_are_let_through_to_docker() -> None:
    copied = [line.split()[-2] for line in (KIND / "Dockerfile").read_text().splitlines() if line.startswith("COPY")]
    let_through = (KIND / "Dockerfile.dockerignore").read_text().splitlines()
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in let_through or f"!{source}/**" in let_through, source
