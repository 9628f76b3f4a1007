"""The simulated card beside a real API server and under a real Prometheus."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from kubernetes.dynamic import DynamicClient

from dev import loopback
from dev.cluster.layout import Layout
from dev.cluster.ports import LOOPBACK, reserved_port
from tests.integration.clusters import CHECKOUT, LocalCluster, bring_up, command, wait_for

GPU = "nvidia.com/gpu"
MIB = 1 << 20
SCRAPE_SECONDS = 0.2


@dataclass(frozen=True)
class Card:
    """A card of this test alone, by its address."""

    url: str

    def state(self) -> dict[str, Any]:
        answer: dict[str, Any] = loopback.get(f"{self.url}/control/state", timeout=5).json()
        return answer

    def used(self) -> dict[str, int]:
        """MiB by pod name, of all cards."""
        return {one["pod"]: one["used_bytes"] // MIB for card in self.state()["cards"] for one in card["residents"]}

    def page(self, path: str) -> str:
        answer = loopback.get(f"{self.url}/metrics/{path}", timeout=5)
        assert answer.status_code == 200, answer.text
        return answer.text

    def do(self, action: str, **body: Any) -> None:
        answer = loopback.post(f"{self.url}/control/{action}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text


@contextlib.contextmanager
def running(log: Path, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out, subprocess.Popen(argv, cwd=CHECKOUT, stdout=out, stderr=out) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


@contextlib.contextmanager
def card_of(tmp_path: Path, workloads: list[dict[str, Any]], kubeconfig: Path | None) -> Iterator[Card]:
    scenario, port = tmp_path / "scenario.yml", tmp_path / "port"
    uuid = "GPU-00000000-0000-0000-0000-00000000000a"
    t4 = {"name": "t4", "node": "gpu-1", "uuid": uuid, "model": "Tesla T4", "total": "15Gi", "reserved": "450Mi"}
    exporters = {name: {"interval_seconds": 0} for name in ("gpu-pod-exporter", "dcgm")}
    text = yaml.safe_dump({"cards": [t4], "workloads": workloads, "exporters": exporters})
    scenario.write_text(text, encoding="utf-8")
    argv = [sys.executable, "-m", "dev.card", "--scenario", str(scenario), "--port-file", str(port)]
    if kubeconfig is not None:
        argv += ["--kubeconfig", str(kubeconfig)]
    with running(tmp_path / "card.log", *argv):
        wait_for(port.exists, what="the card's port")
        yield Card(f"http://127.0.0.1:{port.read_text(encoding='utf-8').strip()}")


@pytest.fixture
def followed(tmp_path: Path, cluster: LocalCluster, kube: DynamicClient, namespace: str) -> Iterator[Card]:
    """A card on which the pods `asr-…` of this test's namespace hold 1536 MiB each."""
    kube.resources.get(api_version="v1", kind="Namespace").create(body={"metadata": {"name": namespace}})
    accounts = kube.resources.get(api_version="v1", kind="ServiceAccount")
    wait_for(lambda: accounts.get(namespace=namespace).items, what="the default service account")
    workload = {"name": "asr", "match": {"namespace": namespace, "pod": "asr-.*", "node": "gpu-.*"}, "idle": "1536Mi"}
    with card_of(tmp_path, [workload], cluster.kubeconfig) as card:
        yield card


def gpu_pod(name: str, slices: int = 1, **annotations: str) -> dict[str, Any]:
    marks = {f"dev.sharedgpu/{key.replace('_', '-')}": value for key, value in annotations.items()}
    container = {"name": "main", "image": "registry.example/app:1", "resources": {"limits": {GPU: str(slices)}}}
    tolerations = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": marks},
        "spec": {"containers": [container], "tolerations": tolerations},
    }


def test_pods_take_their_vram_and_give_it_back(followed: Card, kube: DynamicClient, namespace: str) -> None:
    pods = kube.resources.get(api_version="v1", kind="Pod")
    for body in (gpu_pod("asr-1", slices=2), gpu_pod("asr-2"), gpu_pod("web-1")):
        pods.create(body=body, namespace=namespace)
    wait_for(lambda: followed.used() == {"asr-1": 1536, "asr-2": 1536}, what="VRAM of the two pods that match")
    page = followed.page("gpu-pod-exporter")
    assert f'{{namespace="{namespace}",pod="asr-1",container="main",process_name="python3"' in page
    assert page.count(f" {1536 * MIB}\n") == 2
    per_pod = [
        line for line in followed.page("dcgm?mode=per_pod").splitlines() if line.startswith("DCGM_FI_DEV_FB_USED")
    ]
    assert [line.count('pod="asr-1"') for line in per_pod].count(1) == 2, "one series for each of its two slices"
    pods.delete(name="asr-1", namespace=namespace, body={"gracePeriodSeconds": 0})
    wait_for(lambda: followed.used() == {"asr-2": 1536}, what="the VRAM of the deleted pod to be free")
    assert "asr-1" not in followed.page("gpu-pod-exporter")


def test_a_terminating_pod_keeps_its_vram_and_a_leak_outlives_it(
    followed: Card, kube: DynamicClient, namespace: str
) -> None:
    pods = kube.resources.get(api_version="v1", kind="Pod")
    pods.create(body=gpu_pod("asr-1", ignore_sigterm="true"), namespace=namespace)
    wait_for(lambda: followed.used() == {"asr-1": 1536}, what="VRAM of the pod")
    followed.do("set", workload="asr", leak_seconds=3600)
    pods.delete(name="asr-1", namespace=namespace, body={"gracePeriodSeconds": 4})
    deleted_at = followed.state()["now"]
    wait_for(lambda: followed.state()["watch"]["listed_at"] > deleted_at, what="a look at the terminating pod")
    assert [pod.metadata.deletionTimestamp is not None for pod in pods.get(namespace=namespace).items] == [True]
    (resident,) = followed.state()["cards"][0]["residents"]
    assert (resident["used_bytes"], resident["leaked"]) == (1536 * MIB, False)
    wait_for(lambda: followed.state()["cards"][0]["residents"][0]["leaked"], what="the pod to be gone")
    assert pods.get(namespace=namespace).items == []
    assert 'pod="unknown",container="unknown",process_name="python3"' in followed.page("gpu-pod-exporter")
    followed.do("set", workload="asr", leak_seconds=0)
    assert followed.used() == {}


def test_a_pod_that_is_not_ready_holds_nothing(followed: Card, kube: DynamicClient, namespace: str) -> None:
    pods = kube.resources.get(api_version="v1", kind="Pod")
    pods.create(body=gpu_pod("asr-slow", ready_after="3600s"), namespace=namespace)
    pods.create(body=gpu_pod("asr-quick"), namespace=namespace)
    wait_for(lambda: followed.used() == {"asr-quick": 1536}, what="VRAM of the ready pod only")


@pytest.fixture
def own(tmp_path: Path) -> Iterator[LocalCluster]:
    """A cluster that this test may break."""
    root = tmp_path / "cluster"
    try:
        yield bring_up(root)
    finally:
        command(root, "down")


def test_vram_outlives_the_api_server(own: LocalCluster) -> None:
    card = Card(own.card_url)

    def kubectl(*arguments: str, body: dict[str, Any] | None = None) -> None:
        argv = ["kubectl", "--kubeconfig", str(own.kubeconfig), *arguments]
        subprocess.run(argv, input=yaml.safe_dump(body), text=True, check=True, capture_output=True)

    def speaches() -> list[int]:
        return [mib for pod, mib in card.used().items() if pod.startswith("speaches")]

    kubectl("create", "namespace", "portal-stt")
    wait_for(lambda: accepts(own, gpu_pod("speaches-1")), what="the API server to take a pod")
    wait_for(lambda: speaches() == [1536], what="VRAM of the pod")
    os.kill(Layout(own.root).records()["kube-apiserver"].process.pid, signal.SIGKILL)
    wait_for(lambda: card.state()["watch"]["error"], what="the card to notice")
    assert speaches() == [1536]
    bring_up(own.root)
    wait_for(lambda: card.state()["watch"]["error"] is None, what="the card to follow again")
    assert speaches() == [1536]
    kubectl("delete", "pod", "-n", "portal-stt", "speaches-1")
    wait_for(lambda: speaches() == [], what="the VRAM of the deleted pod to be free")


def accepts(cluster: LocalCluster, body: dict[str, Any]) -> bool:
    argv = ["kubectl", "--kubeconfig", str(cluster.kubeconfig), "create", "-n", "portal-stt", "-f", "-"]
    return subprocess.run(argv, input=yaml.safe_dump(body), text=True, capture_output=True, check=False).returncode == 0


PAGES = {
    "gpu-pod-exporter": "gpu-pod-exporter",
    "dcgm-device": "dcgm?mode=device",
    "dcgm-copied": "dcgm?mode=copied",
    "dcgm-per-pod": "dcgm?mode=per_pod",
    "dcgm-relabelled": "dcgm?mode=per_pod&vgpu=false&hostname_label=hostname&prefix=nvidia_tesla_t4_",
    "nvidia-gpu-exporter": "nvidia-gpu-exporter?compute_apps=true",
}
RESIDENTS: list[dict[str, Any]] = [
    {
        "name": "a",
        "pod": {"namespace": "a", "name": "a-0", "slices": 2},
        "idle": "1Gi",
        "process_name": 'sh -c "a, {b}"',
    },
    {"name": "b", "pod": {"namespace": "b", "name": "b-0"}, "idle": "2Gi", "processes": 8},
]


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Card]:
    with card_of(tmp_path_factory.mktemp("card"), RESIDENTS, None) as card:
        yield card


@dataclass(frozen=True)
class Prometheus:
    url: str

    def query(self, promql: str) -> list[dict[str, Any]]:
        answer = loopback.get(f"{self.url}/api/v1/query", params={"query": promql}, timeout=5)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def value(self, promql: str) -> float | None:
        found = self.query(promql)
        return float(found[0]["value"][1]) if found else None

    def is_up(self) -> bool:
        try:
            return loopback.get(f"{self.url}/-/ready", timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False


@pytest.fixture(scope="module")
def prometheus(card: Card, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The Prometheus of the PATH, which scrapes every page of the card as a job of its own."""
    folder = tmp_path_factory.mktemp("prometheus")
    jobs = [job(name, page, card.url.removeprefix("http://")) for name, page in PAGES.items()]
    every = f"{int(SCRAPE_SECONDS * 1000)}ms"
    config = {"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": jobs}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    argv = ("prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}")
    with (
        reserved_port() as port,
        running(folder / "prometheus.log", *argv, f"--web.listen-address={LOOPBACK}:{port}"),
    ):
        prometheus = Prometheus(f"http://{LOOPBACK}:{port}")
        wait_for(prometheus.is_up, what="Prometheus")
        yield prometheus


def job(name: str, page: str, target: str) -> dict[str, Any]:
    path, _, query = page.partition("?")
    params = {key: [value] for key, _, value in (pair.partition("=") for pair in query.split("&") if pair)}
    targets = [{"targets": [target]}]
    return {"job_name": name, "metrics_path": f"/metrics/{path}", "params": params, "static_configs": targets}


@pytest.mark.parametrize("name", PAGES)
def test_prometheus_scrapes_every_page(card: Card, prometheus: Prometheus, name: str) -> None:
    wait_for(lambda: prometheus.value(f'up{{job="{name}"}}') == 1, what=f"a scrape of {name}")
    series = [line for line in card.page(PAGES[name]).splitlines() if not line.startswith("#")]
    assert prometheus.value(f'scrape_samples_scraped{{job="{name}"}}') == len(series)
    assert prometheus.value(f'scrape_samples_post_metric_relabeling{{job="{name}"}}') == len(series)


def test_prometheus_sees_the_same_card_in_every_format(prometheus: Prometheus) -> None:
    jobs = "max by (job) (DCGM_FI_DEV_FB_USED or nvidia_tesla_t4_DCGM_FI_DEV_FB_USED) * 2^20"
    wait_for(lambda: len(prometheus.query(jobs)) == 4, what="all modes of dcgm")
    assert {float(one["value"][1]) for one in prometheus.query(jobs)} == {3072 * MIB}
    assert prometheus.value("sum(gpu_pod_memory_used_bytes)") == 3072 * MIB
    assert prometheus.value("nvidia_smi_memory_used_bytes") == 3072 * MIB
    odd = 'gpu_pod_memory_used_bytes{process_name="sh -c \\"a, {b}\\""}'
    assert prometheus.value(odd) == 1024 * MIB


@pytest.mark.parametrize("name", PAGES)
def test_promtool_accepts_every_page(card: Card, name: str) -> None:
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=card.page(PAGES[name]), capture_output=True, text=True, check=False
    )
    found = {line.split(" ", 1)[1] for line in (done.stdout + done.stderr).splitlines()}
    camel_case = {"label names should be written in 'snake_case' not 'camelCase'"}  # modelName: NVIDIA's, not ours
    assert (done.returncode, found) == ((3, camel_case) if name.startswith("dcgm") else (0, set()))


FAULTS_BY_OUTCOME = {
    "not up": ["down", "http_500", "html", "slow"],
    "up without series": ["empty"],
    "up with series": [
        "frozen",
        "nan",
        "inf",
        "negative",
        "huge",
        "missing_labels",
        "duplicate_series",
        "renamed_metric",
    ],
}


JOBS = {"gpu-pod-exporter": "gpu-pod-exporter", "dcgm": "dcgm-device", "nvidia-gpu-exporter": "nvidia-gpu-exporter"}


@pytest.mark.parametrize(
    ("fault", "outcome"), [(fault, outcome) for outcome, faults in FAULTS_BY_OUTCOME.items() for fault in faults]
)
def test_what_prometheus_makes_of_a_fault(card: Card, prometheus: Prometheus, fault: str, outcome: str) -> None:
    seen = seen_under(card, prometheus, fault, tuple(JOBS))
    assert seen == dict.fromkeys(JOBS, outcome)


def test_a_stray_quote_costs_the_whole_scrape(card: Card, prometheus: Prometheus) -> None:
    seen = seen_under(card, prometheus, "bad_escaping", ("gpu-pod-exporter", "dcgm"))
    assert seen == {"gpu-pod-exporter": "not up", "dcgm": "not up"}


def seen_under(card: Card, prometheus: Prometheus, fault: str, exporters: tuple[str, ...]) -> dict[str, str]:
    """What Prometheus sees of the exporters after a scrape that began under the fault."""
    try:
        for exporter in exporters:
            card.do("fault", exporter=exporter, fault=fault)
        set_at = time.time()
        return {exporter: outcome_of(prometheus, JOBS[exporter], set_at) for exporter in exporters}
    finally:
        card.do("reset")


def outcome_of(prometheus: Prometheus, name: str, set_at: float) -> str:
    scraped_at = f'timestamp(up{{job="{name}"}})'
    wait_for(lambda: (prometheus.value(scraped_at) or 0) > set_at + SCRAPE_SECONDS, what=f"a scrape of {name}")
    if prometheus.value(f'up{{job="{name}"}}') == 0:
        return "not up"
    return "up with series" if prometheus.value(f'scrape_samples_scraped{{job="{name}"}}') else "up without series"
