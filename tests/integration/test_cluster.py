"""The local cluster itself: it schedules, it repairs itself, it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.dynamic import DynamicClient

from dev import loopback
from dev.cluster import process
from dev.cluster.layout import Layout
from tests.integration.clusters import CHECKOUT, LocalCluster, bring_up, command, wait_for
from tests.integration.plays import Playbooks

GPU = "nvidia.com/gpu"
TOLERATION = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}


@pytest.fixture(scope="module")
def own_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("own") / "cluster"
    yield root
    command(root, "down")


@pytest.fixture
def own(own_root: Path) -> LocalCluster:
    """A cluster that a test may break: the next one mends it."""
    return bring_up(own_root)


def living(root: Path) -> list[process.ProcessId]:
    return list(process.marked(root.resolve()))


def deployment(name: str, *, gpu: bool, tolerate: bool) -> dict[str, Any]:
    limits = {"limits": {GPU: "1"}} if gpu else {}
    pod = {
        "containers": [{"name": "main", "image": "registry.example/app:1", "resources": limits}],
        "tolerations": [TOLERATION] if tolerate else [],
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }


class Workbench:
    """Creates objects in one namespace and looks at its pods."""

    def __init__(self, kube: DynamicClient, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._of("v1", "Namespace").create(body={"metadata": {"name": namespace}})
        accounts = self._of("v1", "ServiceAccount")
        wait_for(lambda: accounts.get(namespace=namespace).items, what="the default service account")

    def _of(self, api_version: str, kind: str) -> Any:
        return self._kube.resources.get(api_version=api_version, kind=kind)

    def create(self, body: dict[str, Any]) -> None:
        self._of(body["apiVersion"], body["kind"]).create(body=body, namespace=self._namespace)

    def delete_pod(self, name: str, grace: int) -> None:
        self._of("v1", "Pod").delete(name=name, namespace=self._namespace, body={"gracePeriodSeconds": grace})

    def pods(self) -> list[dict[str, Any]]:
        found = self._of("v1", "Pod").get(namespace=self._namespace)
        return [pod.to_dict() for pod in found.items]

    def get(self, api_version: str, kind: str, name: str) -> dict[str, Any]:
        body: dict[str, Any] = self._of(api_version, kind).get(name=name, namespace=self._namespace).to_dict()
        return body


@pytest.fixture
def bench(kube: DynamicClient, namespace: str) -> Workbench:
    return Workbench(kube, namespace)


def ready(pod: dict[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def test_gpu_deployment_runs_on_the_gpu_node(bench: Workbench) -> None:
    bench.create(deployment("tenant", gpu=True, tolerate=True))
    wait_for(lambda: [ready(pod) for pod in bench.pods()] == [True], what="one ready pod")
    assert bench.pods()[0]["spec"]["nodeName"] == "gpu-1"
    wait_for(lambda: bench.get("apps/v1", "Deployment", "tenant")["status"].get("availableReplicas"), what="available")


def test_untolerated_pod_runs_beside_the_card(bench: Workbench) -> None:
    bench.create(deployment("plain", gpu=False, tolerate=False))
    wait_for(lambda: [ready(pod) for pod in bench.pods()] == [True], what="one ready pod")
    assert bench.pods()[0]["spec"]["nodeName"] == "cpu-1"


def test_gpu_request_without_toleration_waits(bench: Workbench) -> None:
    bench.create(deployment("kept-out", gpu=True, tolerate=False))

    def refusals() -> list[str]:
        conditions = [one for pod in bench.pods() for one in pod["status"].get("conditions", [])]
        return [one["message"] for one in conditions if one["type"] == "PodScheduled" and one["status"] == "False"]

    messages = wait_for(refusals, what="the scheduler's refusal")
    assert "untolerated taint" in messages[0]
    assert f"Insufficient {GPU}" in messages[0]
    assert "nodeName" not in bench.pods()[0]["spec"]


def pod(name: str, **annotations: str) -> dict[str, Any]:
    marks = {f"dev.sharedgpu/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": marks},
        "spec": {"containers": [{"name": "main", "image": "registry.example/app:1"}]},
    }


def test_pods_end_as_their_processes_would(bench: Workbench) -> None:
    bench.create(pod("obedient"))
    bench.create(pod("stubborn", ignore_sigterm="true"))
    wait_for(lambda: [ready(one) for one in bench.pods()] == [True, True], what="two ready pods")
    for name in ("obedient", "stubborn"):
        bench.delete_pod(name, grace=6)
    wait_for(lambda: [one["metadata"]["name"] for one in bench.pods()] == ["stubborn"], what="the obedient pod to end")
    assert "deletionTimestamp" in bench.pods()[0]["metadata"]
    wait_for(lambda: not bench.pods(), what="the stubborn pod to be killed")


def test_slow_pod_is_not_ready_before_its_time(bench: Workbench) -> None:
    bench.create(pod("slow", ready_after="3s"))
    bench.create(pod("quick"))
    states = wait_for(
        lambda: {one["metadata"]["name"]: ready(one) for one in bench.pods() if ready(one)}, what="the first ready pod"
    )
    assert states == {"quick": True}
    wait_for(lambda: all(map(ready, bench.pods())), what="the slow pod to be ready")


def test_job_completes(bench: Workbench) -> None:
    template = {"spec": {**pod("main")["spec"], "restartPolicy": "Never"}}
    bench.create(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": template}}
    )
    wait_for(lambda: bench.get("batch/v1", "Job", "once")["status"].get("succeeded") == 1, what="the job to complete")


def test_playbook_helper_reports_tasks_and_statistics(namespace: str, run_playbook: Playbooks) -> None:
    definition = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    tasks = [{"name": "Create it", "kubernetes.core.k8s": {"definition": definition}}]
    plays = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    first, second = run_playbook(plays).ok(), run_playbook(plays).ok()
    assert (first.changed, second.changed) == (1, 0)
    assert first.task("Create it")["result"]["result"]["metadata"]["name"] == namespace
    tasks[0] = {"name": "Fail", "ansible.builtin.fail": {"msg": "on purpose"}}
    failed = run_playbook(plays)
    assert failed.rc == 2
    assert failed.task("Fail")["outcome"] == "failed"
    assert failed.stats["localhost"]["failures"] == 1


def test_two_clusters_side_by_side_do_not_meet(own: LocalCluster, cluster: LocalCluster, kube: DynamicClient) -> None:
    def kubectl(where: LocalCluster, *arguments: str) -> str:
        done = subprocess.run(
            ["kubectl", "--kubeconfig", str(where.kubeconfig), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

    kubectl(own, "create", "namespace", "only-here")
    assert "only-here" in kubectl(own, "get", "namespaces")
    names = {one.metadata.name for one in kube.resources.get(api_version="v1", kind="Namespace").get().items}
    assert "only-here" not in names
    assert not set(own.environ.values()) & set(cluster.environ.values())
    command(own.root, "down")
    assert living(own.root) == []
    assert loopback.get(f"{cluster.prometheus_url}/-/ready", timeout=5).ok
    assert "gpu-1" in kubectl(cluster, "get", "nodes")


@pytest.mark.parametrize(
    "killed", [{"etcd", "kwok"}, {"kube-apiserver", "prometheus"}], ids=["store and nodes", "API and metrics"]
)
def test_up_replaces_only_what_was_killed(own: LocalCluster, killed: set[str]) -> None:
    before = {name: record.process.pid for name, record in Layout(own.root).records().items()}
    for name in killed:
        os.kill(before[name], signal.SIGKILL)
    wait_for(lambda: command(own.root, "status").returncode == 1, what="status to notice")
    assert bring_up(own.root).environ == own.environ
    after = {name: record.process.pid for name, record in Layout(own.root).records().items()}
    assert {name for name in before if before[name] != after[name]} == killed
    assert len(living(own.root)) == len(after)


def test_second_up_changes_nothing(own: LocalCluster) -> None:
    before = living(own.root)
    done = command(own.root, "up")
    assert done.returncode == 0
    assert "already up" in done.stdout
    assert living(own.root) == before


def interrupt_start(root: Path, how: signal.Signals) -> None:
    """End `up` while its API server starts."""
    arguments = [sys.executable, "-m", "dev.cluster", "up", "--dir", str(root)]
    starting = subprocess.Popen(arguments, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: "kube-apiserver" in Layout(root).records(), what="the API server's process", within=60)
    starting.send_signal(how)
    assert starting.wait(timeout=60) != 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_start_stops_what_it_started(tmp_path: Path, how: signal.Signals) -> None:
    interrupt_start(tmp_path, how)
    assert living(tmp_path) == []


def test_killed_start_is_cleaned_up_by_the_next(tmp_path: Path) -> None:
    interrupt_start(tmp_path, signal.SIGKILL)
    assert "etcd" in Layout(tmp_path).records()
    Layout(tmp_path).forget("etcd")  # as if it had been cut between the start of etcd and its pid file
    try:
        bring_up(tmp_path)
        assert set(living(tmp_path)) == {record.process for record in Layout(tmp_path).records().values()}
    finally:
        command(tmp_path, "down")


def test_down_leaves_no_process_no_secret_and_no_data(own: LocalCluster) -> None:
    assert len(living(own.root)) >= 6
    assert command(own.root, "down").returncode == 0
    assert living(own.root) == []
    assert {path.name for path in own.root.iterdir()} == {"lock", "logs"}
    assert command(own.root, "down").returncode == 0


def test_down_spares_a_recycled_pid(own: LocalCluster) -> None:
    with subprocess.Popen(["sleep", "600"]) as bystander:
        path = own.root / "run" / "kwok.pid"
        fields = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**fields, "pid": bystander.pid}), encoding="utf-8")
        assert command(own.root, "down").returncode == 0
        assert bystander.poll() is None
        assert living(own.root) == []  # the real kwok was found by its marker
        bystander.kill()


def test_dead_component_shows_the_end_of_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that calls itself etcd of the right version, and dies."""
    broken = tmp_path / "assets" / "etcd"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'etcd Version: 3.6.14'\n[ $# = 1 ] || { echo 'the disk is on fire'; exit 3; }\n")
    broken.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(broken.parent))
    done = command(tmp_path / "cluster", "up")
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "the disk is on fire" in done.stdout
    assert str(tmp_path / "cluster" / "logs" / "etcd.log") in done.stdout
    assert living(tmp_path / "cluster") == []


def test_kubeconfig_is_private(cluster: LocalCluster) -> None:
    assert cluster.kubeconfig.stat().st_mode & 0o077 == 0
    assert (cluster.root / "secrets").stat().st_mode & 0o077 == 0
