"""Builds the lanes of a session: the role is run once, the other lanes get copies of what it made."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kubernetes import config
from kubernetes.dynamic import DynamicClient

from dev.card.machine import Machine
from dev.card.parse import load_scenario
from dev.card.server import CardServer
from tests.integration.applying import Live
from tests.integration.clusters import LocalCluster
from tests.integration.gating import (
    TARGET,
    World,
    deploy,
    deployment,
    prometheus,
)
from tests.integration.gating_lanes import Ground, Lane, scenario
from tests.integration.gating_observer import Admin, Observer
from tests.integration.gating_proxy import proxy
from tests.integration.plays import Playbooks

NAMESPACED = {
    "serviceaccounts": "/api/v1",
    "roles": "/apis/rbac.authorization.k8s.io/v1",
    "rolebindings": "/apis/rbac.authorization.k8s.io/v1",
    "configmaps": "/api/v1",
}


@contextmanager
def lanes(cluster: LocalCluster, folder: Path, count: int) -> Iterator[list[Lane]]:
    """Return lanes; the role is run for the first, the others get copies."""
    client = config.new_client_from_config(str(cluster.kubeconfig))
    kube = DynamicClient(client, cache_file=str(folder / "discovery.json"))
    with ExitStack() as stack:
        stack.callback(client.close)
        admin = Admin(cluster.kubeconfig, folder)
        stack.callback(admin.close)
        names = [(f"tts-{uuid.uuid4().hex[:8]}", f"gate-{uuid.uuid4().hex[:8]}") for _ in range(count)]
        for pair in names:
            for name in pair:
                admin.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
                stack.callback(admin.ask, "DELETE", f"/api/v1/namespaces/{name}")
            admin.ask("POST", f"/apis/apps/v1/namespaces/{pair[0]}/deployments", deployment(TARGET))

        template = World(cluster, kube, Live(kube, names[0][0]), Live(kube, names[0][1]), folder)
        playbooks = Playbooks(folder, cluster.environ | {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)})
        deploy(template, playbooks).ok()
        for pair in names[1:]:
            copy(admin, names[0], pair)
        observer = Observer(admin)
        observer.start()
        stack.callback(observer.stop)
        ground = Ground(cluster, kube, admin, observer, template.program())
        places = [lane(ground, *pair, folder / f"lane-{at}") for at, pair in enumerate(names)]
        with ThreadPoolExecutor() as pool:  # each waits for a Prometheus
            built = list(pool.map(stack.enter_context, places))
        for one in built:
            one.until(lambda one=one: one.seen.scaled.get(TARGET), "the target to be seen")
        over = threading.Event()
        follower = threading.Thread(target=follow, args=(built, over), daemon=True)
        follower.start()
        stack.callback(follower.join, 30)
        stack.callback(over.set)
        yield built


def copy(admin: Admin, source: tuple[str, str], target: tuple[str, str]) -> None:
    """Make what the role has made in two namespaces in two others."""
    for place in source:
        for kind, group in NAMESPACED.items():
            for item in admin.items(f"{group}/namespaces/{place}/{kind}?labelSelector=app.kubernetes.io/name"):
                text = json.dumps({key: value for key, value in item.items() if key != "metadata"})
                kept = {key: item["metadata"].get(key) for key in ("name", "labels")}
                body = {**json.loads(moved(text, source, target)), "metadata": kept}
                admin.ask("POST", f"{group}/namespaces/{moved(place, source, target)}/{kind}", body)


def moved(text: str, source: tuple[str, str], target: tuple[str, str]) -> str:
    for old, new in zip(source, target, strict=True):
        text = text.replace(old, new)
    return text


@contextmanager
def lane(ground: Ground, tenant: str, gate: str, folder: Path) -> Iterator[Lane]:
    """Run a lane's card, its Prometheus and its proxies."""
    folder.mkdir()
    built = Lane(ground.cluster, ground.kube, Live(ground.kube, tenant), Live(ground.kube, gate), folder, ground=ground)
    built._server = CardServer(("127.0.0.1", 0), Machine(load_scenario(scenario(tenant))))
    built.card_url = f"http://127.0.0.1:{built._server.server_address[1]}"
    thread = threading.Thread(target=built._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    with ExitStack() as stack:
        stack.callback(built._server.server_close)
        stack.callback(built._server.shutdown)
        stack.enter_context(prometheus(built, "500ms"))
        built.metrics = stack.enter_context(proxy(built.prometheus_url))
        built.api = stack.enter_context(proxy(ground.admin.url, str(ground.admin.ca)))
        yield built
        for started in built.gates_of_case:
            started.close()


def follow(built: list[Lane], over: threading.Event) -> None:
    """Let every card follow the pods of its lane."""
    while not over.wait(0.1):
        for one in built:
            one.follow()
