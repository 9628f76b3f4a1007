"""A gate as its role deploys it, run as a process with its own account's token, beside a simulated card of its own."""

from __future__ import annotations

import compileall
import contextlib
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import yaml
from kubernetes.dynamic import DynamicClient

from dev import loopback
from dev.cluster.ports import LOOPBACK, reserved_port
from dev.gate import pod
from dev.gate.process import GateProcess
from tests.integration.applying import TOLERATION, Live, role_play
from tests.integration.clusters import CHECKOUT, LocalCluster, wait_for
from tests.integration.plays import Playbooks, Run

MIB = 1 << 20
GPU = "nvidia.com/gpu"
TARGET = "chatterbox"
ALWAYS = ({"start": "00:00", "end": "24:00", "timezone": "Etc/UTC"},)
UUID = "GPU-00000000-0000-0000-0000-00000000000a"
CARD = {"name": "t4", "node": "gpu-1", "uuid": UUID, "model": "Tesla T4", "total": "15Gi", "reserved": "450Mi"}
EXPORTERS = ("dcgm", "gpu-pod-exporter")
#: short enough for a test, long enough for a busy machine
GATE = {"tick": "1s", "blind_grace": "8s", "cool_down": "4s", "min_run": "0s", "max_age": "15s", "lookback": "60s"}


def never() -> tuple[dict[str, Any], ...]:
    """Return windows that are closed for days."""
    day = (datetime.now(UTC) + timedelta(days=3)).strftime("%a").lower()
    return ({"start": "10:00", "end": "10:30", "timezone": "Etc/UTC", "days": [day]},)


@dataclass
class World:
    """What stands for a whole module of tests: a target, a gate's account and files, a card, a Prometheus."""

    cluster: LocalCluster
    kube: DynamicClient
    live: Live
    gates: Live
    folder: Path
    card_url: str = ""
    prometheus_url: str = ""
    prometheus: subprocess.Popen[bytes] | None = None
    runs: int = field(default=0)

    @property
    def namespace(self) -> str:
        return self.live.namespace

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return the role's variables."""
        told = {
            "offpeak_gate_plan": self.plan(),
            "offpeak_gate_namespace": self.gates.namespace,
            "offpeak_gate_image_digest_required": False,
            "offpeak_gate_tolerations": [TOLERATION],
            "offpeak_gate_timeout": 60,
        }
        return told | {f"offpeak_gate_{name}": value for name, value in changes.items()}

    def plan(self, windows: Any = ALWAYS, gate: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Return a plan with one gated tenant and one resident; ``changes`` are the tenant's."""
        tenant = {
            "name": "tts",
            "card": "t4",
            "mode": "gated",
            "peak": "4Gi",
            "floor": "6Gi",
            "namespace": self.namespace,
            "target": {"kind": "Deployment", "name": TARGET},
            "windows": list(windows),
            **changes,
        }
        resident = {"name": "immich", "card": "t4", "mode": "warm", "peak": "2150Mi", "namespace": "immich"}
        return {
            "prometheus_url": self.prometheus_url or "http://192.0.2.1:9090",
            "margin": "2Gi",
            "cards": [{"name": "t4", "node": "gpu-1", "total": "15Gi"}],
            "tenants": [tenant, resident],
            "gate": {**GATE, **(gate or {})},
        }

    def control(self, action: str, **body: Any) -> None:
        """Do something to the card."""
        answer = loopback.post(f"{self.card_url}/control/{action}", json=body, timeout=5)
        assert answer.status_code == 200, answer.text

    def held(self) -> int:
        """Return what the target holds on the card (MiB), whatever exporters say."""
        cards = loopback.get(f"{self.card_url}/control/state", timeout=5).json()["cards"]
        found = [one["used_bytes"] for card in cards for one in card["residents"] if one["namespace"] == self.namespace]
        return int(sum(found)) // MIB

    def replicas(self) -> int:
        return self.live.replicas(TARGET)

    def pods(self) -> int:
        return len(list(self.live.all("Pod")))

    def reset(self) -> None:
        """Bring everything back to where a test begins."""
        self.control("reset")
        self.scale(0)
        wait_for(lambda: not self.pods(), what="the pods to go")
        pod.forget(self.kube.resources.get(api_version="v1", kind="ConfigMap"), self.gates.namespace)

    def scale(self, replicas: int) -> None:
        """Scale as a person does."""
        self.live.scale(TARGET, replicas)

    def events(self) -> list[dict[str, Any]]:
        """Return the gate's Events about the target, oldest first."""
        return pod.events(self.kube, self.namespace)

    def refusals(self) -> list[dict[str, Any]]:
        """Return the gate's Events about itself, oldest first."""
        return pod.events(self.kube, self.gates.namespace)

    def token(self) -> str:
        """Return a new token of the gate's account."""
        return pod.token(self.kube, self.gates.namespace)

    def access(self) -> tuple[str, Path]:
        """Return the API server's address and its CA as a file."""
        return pod.access(self.cluster.kubeconfig, self.folder)

    def program(self) -> Path:
        """Return a folder with the program as a pod would see it: from the ConfigMap, by the pod's own volume."""
        spec = pod.deployment(self.kube, self.gates.namespace)["spec"]["template"]["spec"]
        folder = pod.mounted(self.kube, self.gates.namespace, spec, "program", self.folder)
        # A pod compiles it at each of its rare starts; tests start it a hundred times.
        compileall.compile_dir(folder, quiet=1)
        return folder


class Gate(GateProcess):
    """A running gate with a policy file and a token of its own, which tests replace."""

    def __init__(
        self,
        world: World,
        policy: Mapping[str, Any] | str,
        *arguments: str,
        source: str = "prometheus",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        world.runs += 1
        self._world = world
        folder = world.folder / f"gate-{world.runs}"
        folder.mkdir(parents=True)
        self.began = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.token_path, self._policy_path = folder / "token", folder / "vram_plan.json"
        self.write_token(world.token())
        self.write_policy(policy)
        server, ca = world.access()
        pages = [f"--exporter={world.card_url}/metrics/{name}" for name in EXPORTERS]
        sources = {"prometheus": [f"--prometheus={world.prometheus_url}"], "exporters": pages, "": []}[source]
        told = [f"--policy={self._policy_path}", f"--namespace={world.gates.namespace}", "--state=offpeak-gate-state"]
        told += [f"--api-server={server}", f"--api-token={self.token_path}", f"--api-ca={ca}", "--timeout=4"]
        told += [*sources, *arguments]
        super().__init__(folder, world.program(), told, listens="--once" not in arguments, environ=environ)

    def write_policy(self, policy: Mapping[str, Any] | str) -> None:
        """Replace the policy at once, as a mounted ConfigMap is."""
        text = policy if isinstance(policy, str) else json.dumps(policy)
        new = self._policy_path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._policy_path)

    def write_token(self, token: str) -> None:
        self.token_path.write_text(token, encoding="ascii")

    def events(self) -> list[dict[str, Any]]:
        """Return the Events since this gate began, to the microsecond: those of the gate before are none of its own."""
        return [event for event in self._world.events() if event["eventTime"] >= self.began]

    def ticks(self, more: int = 2) -> None:
        """Wait until it has looked some more times."""
        start = wait_for(lambda: self.metric("ticks_total") or 0, what="its first look", within=60, every=0.1)
        wait_for(lambda: (self.metric("ticks_total") or 0) >= start + more, what=f"{more} looks", within=60, every=0.1)


@contextlib.contextmanager
def namespaces(kube: DynamicClient, *purposes: str) -> Iterator[list[str]]:
    """Make namespaces and take them away again."""
    api = kube.resources.get(api_version="v1", kind="Namespace")
    names = [f"{purpose}-{uuid.uuid4().hex[:8]}" for purpose in purposes]
    for name in names:
        api.create(body={"metadata": {"name": name}})
    try:
        yield names
    finally:
        for name in names:
            api.delete(name=name)


def deployment(name: str) -> dict[str, Any]:
    """Return a target: a Deployment at 0 whose pods take a slice of the card."""
    container = {"name": "main", "image": "registry.example/tts:1", "resources": {"limits": {GPU: "1"}}}
    pod = {"containers": [container], "tolerations": [TOLERATION], "terminationGracePeriodSeconds": 0}
    template = {"metadata": {"labels": {"app": name}}, "spec": pod}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@contextlib.contextmanager
def card(world: World, cluster: LocalCluster) -> Iterator[str]:
    """Run a card that follows the target's pods (4000 MiB each) and has one other resident."""
    workloads = [
        {
            "name": "tts",
            "match": {"namespace": world.namespace, "pod": f"{TARGET}-.*", "node": "gpu-.*"},
            "idle": "4000Mi",
        },
        {"name": "immich", "pod": {"namespace": "immich", "name": "immich-ml-1", "container": "ml"}, "idle": "2048Mi"},
    ]
    exporters = {name: {"interval_seconds": 0} for name in EXPORTERS}
    scenario, port = world.folder / "scenario.yml", world.folder / "card-port"
    scenario.write_text(yaml.safe_dump({"cards": [CARD], "workloads": workloads, "exporters": exporters}))
    command = [sys.executable, "-m", "dev.card", "--scenario", str(scenario), "--port-file", str(port)]
    with process(world.folder / "card.log", *command, "--kubeconfig", str(cluster.kubeconfig)):
        wait_for(port.exists, what="the card's port")
        yield f"http://127.0.0.1:{port.read_text(encoding='utf-8').strip()}"


@contextlib.contextmanager
def prometheus(world: World, interval: str = "200ms") -> Iterator[None]:
    """Run a Prometheus without a past that scrapes the card so often."""
    jobs = [
        {
            "job_name": name,
            "metrics_path": f"/metrics/{name}",
            "static_configs": [{"targets": [world.card_url.removeprefix("http://")]}],
        }
        for name in EXPORTERS
    ]
    config = {"global": {"scrape_interval": interval, "scrape_timeout": interval}, "scrape_configs": jobs}
    (world.folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = ["prometheus", f"--config.file={world.folder / 'prometheus.yml'}"]
    # Peaks of former tests are none of this one's.
    command += [
        f"--storage.tsdb.path={world.folder / uuid.uuid4().hex}",
        "--web.enable-admin-api",
    ]
    log = world.folder / "prometheus.log"
    with reserved_port() as port, process(log, *command, f"--web.listen-address={LOOPBACK}:{port}") as running:
        world.prometheus_url, world.prometheus = f"http://{LOOPBACK}:{port}", running
        wait_for(lambda: answers(f"{world.prometheus_url}/-/ready"), what="Prometheus")
        yield


def answers(url: str) -> bool:
    with contextlib.suppress(requests.RequestException):
        return loopback.get(url, timeout=2).status_code == 200
    return False


@contextlib.contextmanager
def process(log: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out, subprocess.Popen(command, cwd=CHECKOUT, stdout=out, stderr=out) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGCONT)
            running.terminate()
            running.wait(20)


def deploy(world: World, playbooks: Playbooks, *arguments: str, **settings: Any) -> Run:
    """Run the role."""
    return playbooks(role_play("offpeak_gate"), *arguments, variables=world.settings(**settings))


def versions(live: Live) -> dict[tuple[str, str], str]:
    """Return the resource version of every object of a namespace."""
    found = live.all()
    return {(item["kind"], item["metadata"]["name"]): item["metadata"]["resourceVersion"] for item in found}
