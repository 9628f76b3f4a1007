"""What every integration test gets: a cluster for the session, a namespace of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from tests.integration import clusters
from tests.integration.clusters import LocalCluster
from tests.integration.gating_cases import Batch, Case, Doubts
from tests.integration.gating_ground import lanes
from tests.integration.gating_lanes import Lane
from tests.integration.plays import Playbooks

#: as many cases of the gate run side by side, for most of their time is waiting; xdist workers do so beside each other
LANES = 6 if "PYTEST_XDIST_WORKER" in os.environ else 10

#: begun first, because they take minutes: a file that is begun last would keep one worker busy while the others wait
LONG = ("test_site", "test_offpeak_gate_role", "test_service_roles", "test_gpu_namespace")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.name.startswith(LONG))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Return the cluster of this session; an xdist worker is a session of its own and never meets another's card."""
    with clusters.running(tmp_path_factory.getbasetemp() / "cluster") as own:
        yield own


@pytest.fixture(scope="session")
def kube(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> DynamicClient:
    """Return a dynamic client with the rights of an administrator."""
    cache = tmp_path_factory.mktemp("discovery") / "cache.json"
    client = config.new_client_from_config(str(cluster.kubeconfig))
    return DynamicClient(client, cache_file=str(cache))


@pytest.fixture(scope="session")
def gate_lanes(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Lane]]:
    """Return places in which cases of the gate can run side by side."""
    with lanes(cluster, tmp_path_factory.mktemp("lanes"), LANES) as built:
        yield built


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, gate_lanes: list[Lane]) -> Iterator[Batch]:
    """Start all chosen cases of a module; a test waits for its own. Cases of doubt name their ``SOURCE``."""
    items = [
        item for item in request.session.items if isinstance(item, pytest.Function) and item.module is request.module
    ]
    chosen = [item.callspec.params["case"] for item in items if hasattr(item, "callspec")]
    cases = [case for case in chosen if isinstance(case, Case)]
    source = getattr(request.module, "SOURCE", "")
    begun = Doubts(gate_lanes, cases, source) if source else Batch(gate_lanes, cases)
    yield begun
    begun.close()


@pytest.fixture
def namespace(kube: DynamicClient) -> Iterator[str]:
    """Return the name of a namespace that does not exist yet; it is gone after the test."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    yield name
    namespaces = kube.resources.get(api_version="v1", kind="Namespace")
    try:
        namespaces.delete(name=name)
    except ApiException as error:
        if error.status != 404:
            raise


@pytest.fixture
def run_playbook(cluster: LocalCluster, tmp_path: Path) -> Playbooks:
    """Return a function that runs ansible-playbook against the cluster."""
    return Playbooks(tmp_path, cluster.environ | {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)})
