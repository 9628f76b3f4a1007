"""The role's PrometheusRule on a real API server: refused where nobody reads it, else the very rules of the file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from tests.integration.applying import Live
from tests.integration.clusters import CHECKOUT, LocalCluster, wait_for
from tests.integration.gating import TARGET, World, deploy, deployment, namespaces
from tests.integration.plays import Playbooks

RULES = CHECKOUT / "roles" / "offpeak_gate" / "files" / "alerts.yml"
GROUP, KIND = "monitoring.coreos.com", "PrometheusRule"


@pytest.fixture
def world(cluster: LocalCluster, kube: DynamicClient, tmp_path: Path) -> Iterator[World]:
    with namespaces(kube, "tts", "gate") as (tenant, gate):
        kube.resources.get(api_version="apps/v1", kind="Deployment").create(body=deployment(TARGET), namespace=tenant)
        yield World(cluster, kube, Live(kube, tenant), Live(kube, gate), tmp_path)


@contextlib.contextmanager
def prometheus_rules(kube: DynamicClient) -> Iterator[Any]:
    """The operator's kind of object, without the operator."""
    names = {"plural": "prometheusrules", "singular": "prometheusrule", "kind": KIND, "listKind": f"{KIND}List"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]}
    definitions = kube.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    definitions.create(body={"metadata": {"name": f"prometheusrules.{GROUP}"}, "spec": spec})

    def found() -> Any:
        with contextlib.suppress(ResourceNotFoundError):
            return kube.resources.get(api_version=f"{GROUP}/v1", kind=KIND)

    try:
        yield wait_for(found, what="the kind to be served")
    finally:
        definitions.delete(name=f"prometheusrules.{GROUP}")


def test_alerts_are_refused_without_the_operator_and_kept_as_they_are_with_it(
    world: World, run_playbook: Playbooks, kube: DynamicClient
) -> None:
    refused = deploy(world, run_playbook, alerts=True)
    assert refused.rc != 0
    assert f"needs the CustomResourceDefinition prometheusrules.{GROUP}" in " ".join(refused.stdout.split())
    assert world.gates.names() == set()
    with prometheus_rules(kube) as api:
        settings = {"alerts": True, "alerts_labels": {"release": "monitoring"}}
        deploy(world, run_playbook, **settings).ok()
        rule = json.loads(json.dumps(api.get(name="offpeak-gate", namespace=world.gates.namespace).to_dict()))
        assert rule["spec"] == yaml.safe_load(RULES.read_text(encoding="utf-8"))
        assert rule["metadata"]["labels"]["release"] == "monitoring"
        assert deploy(world, run_playbook, **settings).ok().changed == 0
        deploy(world, run_playbook).ok()
        assert api.get(namespace=world.gates.namespace).to_dict()["items"] == [], "alerts that are no longer wanted go"


def test_alerts_without_a_gate_to_scrape_are_refused(world: World, run_playbook: Playbooks) -> None:
    run = deploy(world, run_playbook, alerts=True, engine="cronjobs")
    assert run.rc != 0
    assert "offpeak_gate_alerts: true with the engine cronjobs" in " ".join(run.stdout.split())
