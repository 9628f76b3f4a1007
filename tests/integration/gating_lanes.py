"""Lanes: places beside each other in one cluster, each with a target, a gate's account, a card and a Prometheus.

The role is run once; every other lane gets copies of what it made, under its own namespaces' names. So many cases can
run at once, and no two of them meet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from kubernetes.dynamic import DynamicClient

from dev import loopback
from dev.card import control
from dev.card.fields import ScenarioError
from dev.card.machine import Machine
from dev.card.parse import load_scenario
from dev.card.pods import from_api
from dev.card.server import CardServer
from dev.gate.pod import CONTROLLER
from tests.integration.clusters import LocalCluster, wait_for
from tests.integration.gating import (
    CARD,
    EXPORTERS,
    MIB,
    TARGET,
    Gate,
    World,
    deployment,
)
from tests.integration.gating_observer import MERGE, Admin, Observer, Scaled, Seen
from tests.integration.gating_proxy import Asked, Proxy, honest

T = TypeVar("T")
WITHIN = 90.0  # seconds; a busy machine is slow, and who succeeds does not wait for it
TIMING = {"tick": "1s", "blind_grace": "4s", "cool_down": "4s", "min_run": "0s", "max_age": "12s", "lookback": "60s"}
#: all that the gate may ever ask for (I8)
ALLOWED = (
    r"GET /api/v1/namespaces/[^/]+/pods\?\S+",
    r"(GET|PATCH) /apis/apps/v1/namespaces/[^/]+/deployments/[^/]+/scale",
    r"(GET|PATCH) /api/v1/namespaces/[^/]+/configmaps/offpeak-gate-state",
    r"POST /apis/events\.k8s\.io/v1/namespaces/[^/]+/events",
)


@dataclass(frozen=True)
class Ground:
    """What all lanes share."""

    cluster: LocalCluster
    kube: DynamicClient
    admin: Admin
    observer: Observer
    program: Path


@dataclass(frozen=True)
class Mark:
    """Where a case began."""

    scaled: int = 0
    events: int = 0


@dataclass
class Lane(World):
    """One place; a case has it alone."""

    ground: Ground = field(kw_only=True)
    api: Proxy = field(default_factory=Proxy)
    metrics: Proxy = field(default_factory=Proxy)
    gates_of_case: list[Gate] = field(default_factory=list)
    altered: bool = False
    _server: CardServer | None = None
    _token: str = ""
    _foreign: set[str] = field(default_factory=set)
    _mark: Mark = Mark()

    # --- what is there ---

    @property
    def seen(self) -> Seen:
        return self.ground.observer.of(self.namespace)

    @property
    def machine(self) -> Machine:
        assert self._server is not None
        return self._server.machine

    def scaled(self) -> list[Scaled]:
        """Return all changes of the target since the case began."""
        return list(self.seen.scaled.get(TARGET, []))[self._mark.scaled :]

    def replicas(self) -> int:
        return self.seen.scaled[TARGET][-1].replicas

    def pods(self) -> int:
        return len(self.seen.pods)

    def held(self) -> int:
        cards = control.dump(self.machine)["cards"]
        own = [one["used_bytes"] for card in cards for one in card["residents"] if one["namespace"] == self.namespace]
        return int(sum(own)) // MIB

    def events(self) -> list[dict[str, Any]]:
        new = list(self.seen.events)[self._mark.events :]
        return [event for event in new if event.get("reportingController") == CONTROLLER]

    def changes(self) -> list[dict[str, Any]]:
        """Return the Events of the target's transitions since the case began."""
        return [
            one for one in self.events() if one["action"].startswith("ScaleTo") and one["regarding"]["name"] == TARGET
        ]

    def running(self) -> bool:
        return self.replicas() == 1 and self.held() == 4000

    def gone(self) -> bool:
        return self.replicas() == 0 and self.pods() == 0 and self.held() == 0

    def until(self, condition: Callable[[], T], what: str, within: float = WITHIN) -> T:
        return wait_for(condition, what=what, within=within, every=0.1)

    # --- what a case does ---

    def control(self, action: str, **body: Any) -> None:
        try:
            control.act(self.machine, action, body)
        except ScenarioError as error:
            raise AssertionError(str(error)) from error

    def crowd(self) -> None:
        """Let a resident take what the target would need; the card is not overfull by that."""
        self.control("set", workload="immich", idle="10Gi")

    def calm(self) -> None:
        self.control("set", workload="immich", idle="2048Mi")

    def scale(self, replicas: int) -> None:
        """Scale as a person does."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{TARGET}/scale"
        differs = self.replicas() != replicas
        version = self.ground.admin.ask("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)["metadata"][
            "resourceVersion"
        ]
        self._foreign.add(version)
        if differs:
            self.until(lambda: any(one.version == version for one in self.seen.scaled[TARGET]), "the scale to show")

    def remake(self, **spec: Any) -> None:
        """Delete the target and make it anew at 0 replicas; ``spec`` are changes of its pods' spec."""
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        self.ground.admin.ask("DELETE", f"{path}/{TARGET}?propagationPolicy=Background")
        body = deployment(TARGET)
        body["spec"]["template"]["spec"].update(spec)
        done = self.ground.admin.ask("POST", path, body)
        self._foreign.add(done["metadata"]["resourceVersion"])
        self.altered = bool(spec)

    def patch(self, path: str, body: Any) -> None:
        """Patch an object of the target's namespace, by its path below it."""
        self.ground.admin.ask("PATCH", f"/api/v1/namespaces/{self.namespace}/{path}", body, MERGE)

    def keep(self, pod: str, finalizers: list[str]) -> None:
        """Let a pod stay when it is deleted, as one does whose node hangs; without finalizers let it go."""
        self.patch(f"pods/{pod}", {"metadata": {"finalizers": finalizers}})

    def the_pod(self) -> str:
        """Return the name of the target's only pod."""
        (name,) = list(self.seen.pods)
        return name

    def plan(self, windows: Any = None, gate: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        told = super().plan(
            **({} if windows is None else {"windows": windows}), gate={**TIMING, **(gate or {})}, **changes
        )
        return {**told, "prometheus_url": self.metrics.url}

    def gate(
        self,
        policy: Mapping[str, Any] | str | None = None,
        *arguments: str,
        source: str = "exporters",
        environ: Mapping[str, str] | None = None,
    ) -> Gate:
        """Start a gate that knows the API server and Prometheus by the lane's proxies only."""
        told = [f"--api-server={self.api.url}", "--timeout=3"]
        if source == "prometheus":
            told.append(f"--prometheus={self.metrics.url}")
        own = "" if source == "prometheus" else source
        started = Gate(self, policy or self.plan(), *told, *arguments, source=own, environ=environ)
        self.gates_of_case.append(started)
        return started

    def ready(self, gate: Gate) -> Gate:
        self.until(lambda: gate.status("/readyz") == 200, "the gate to be ready")
        return gate

    def token(self) -> str:
        self._token = self._token or self.new_token()
        return self._token

    def new_token(self) -> str:
        return super().token()

    def access(self) -> tuple[str, Path]:
        return self.ground.admin.url, self.ground.admin.ca

    def program(self) -> Path:
        return self.ground.program

    # --- before and after a case ---

    def begin(self) -> None:
        """Bring everything back to where a case begins, whatever the former one has left."""
        for gate in self.gates_of_case:
            gate.close()
        self.gates_of_case = []
        self.api.fault = self.metrics.fault = honest
        assert self._server is not None
        self._server.machine = Machine(load_scenario(scenario(self.namespace)))
        if self.altered:
            self.remake()
        self.scale(0)
        for pod in list(self.seen.pods.values()):
            if pod["metadata"].get("finalizers"):
                self.keep(pod["metadata"]["name"], [])
            self.ground.admin.ask("DELETE", f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}")
        self.until(lambda: not self.pods(), "the former case's pods to go")
        state = f"/api/v1/namespaces/{self.gates.namespace}/configmaps/offpeak-gate-state"
        self.ground.admin.ask("PATCH", state, {"data": dict.fromkeys(("state", "policy", "changes"))}, MERGE)
        # An Event's name holds its instant, and cases with a passed clock share instants: it would be there already.
        self.ground.admin.ask("DELETE", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")
        # Peaks of the former case are none of this one's.
        gone = loopback.post(
            f"{self.prometheus_url}/api/v1/admin/tsdb/delete_series", params={"match[]": '{job!=""}'}, timeout=30
        )
        assert gone.status_code == 204, gone.text
        self.api.asked, self.metrics.asked, self._foreign = [], [], set()
        self._mark = Mark(len(self.seen.scaled[TARGET]), len(self.seen.events))

    def ours(self) -> list[Scaled]:
        """Return the changes of the target that the gates made."""
        return [one for one in self.scaled() if one.version not in self._foreign]

    def follow(self) -> None:
        """Tell the card which pods there are."""
        self.machine.observe([from_api(pod) for pod in list(self.seen.pods.values())])


def asked(one: Asked) -> str:
    return f"{one.method} {one.path}"


def foul(lane: Lane) -> list[str]:
    """Return the requests of the gate that it must never make."""
    return [asked(one) for one in lane.api.asked if not any(re.fullmatch(allowed, asked(one)) for allowed in ALLOWED)]


def scenario(namespace: str) -> str:
    """Return a card with the target's pods (4000 MiB each) and one other resident."""
    workloads = [
        {"name": "tts", "match": {"namespace": namespace, "pod": f"{TARGET}-.*", "node": "gpu-.*"}, "idle": "4000Mi"},
        {"name": "immich", "pod": {"namespace": "immich", "name": "immich-ml-1", "container": "ml"}, "idle": "2048Mi"},
    ]
    exporters = {name: {"interval_seconds": 0} for name in EXPORTERS}
    return yaml.safe_dump({"cards": [CARD], "workloads": workloads, "exporters": exporters})
