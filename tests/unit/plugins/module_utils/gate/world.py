"""The gate's own program, put together as a pod does it, before stand-ins of all that it asks, over real sockets."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.loop import Gate
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.metrics import Metrics
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.options import assemble, options
from tests.fakes.http import Answer, Request, Server
from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, reply

DAY = {"start": "00:00", "end": "24:00", "timezone": "Etc/UTC"}
GATE = {"tick": "1s", "max_age": "2s", "cool_down": "0s", "min_run": "0s"}
STATE = "/api/v1/namespaces/gate/configmaps/state"


@dataclass
class Api:
    """An API server with a Deployment of each tenant: one pod for a replica, ready at once."""

    replicas: dict[str, int] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    #: what it answers instead, None for the truth
    fault: Callable[[Request], Answer | None] = lambda _request: None

    def answer(self, request: Request) -> Answer:
        return self.fault(request) or self._true(request, json.loads(request.body or b"{}"))

    def _true(self, request: Request, body: dict[str, Any]) -> Answer:
        namespace = request.path.split("namespaces/")[1].split("/")[0]
        if request.path.endswith("/pods"):
            return Answer(200, {"items": [_pod()] * self.replicas[namespace]})
        if request.path.endswith("/scale"):
            self.replicas[namespace] = body.get("spec", {}).get("replicas", self.replicas[namespace])
            return Answer(200, {"metadata": {"uid": namespace}, "spec": {"replicas": self.replicas[namespace]}})
        if request.path.endswith("/events"):
            self.events.append(body)
            return Answer(201, body)
        self.data.update(body.get("data", {}))
        return Answer(
            200, {"metadata": {"name": "state", "namespace": "gate", "resourceVersion": "1"}, "data": self.data}
        )


def _pod() -> dict[str, Any]:
    owners = [{"kind": "ReplicaSet", "name": "app-5d8f", "controller": True}]
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": "app-5d8f-x", "ownerReferences": owners}, "status": status}


def overloaded(seconds: float, part: str = "") -> Callable[[Request], Answer | None]:
    """Return the fault of an API server that says after so long that it cannot, where ``part`` is in the request."""

    def fault(request: Request) -> Answer | None:
        if re.search(part, f"{request.method} {request.path}") is None:
            return None
        time.sleep(seconds)
        return Answer(503, {"kind": "Status", "message": "etcdserver: request timed out"})

    return fault


@dataclass
class World:
    """Tenants ``t0``, ``t1``, … in namespaces of these names, each on a card of its own, and one gate at a time."""

    count: int
    folder: Path
    api: Api
    server: Server
    #: MiB in use on each card
    used: list[int]
    exporter: FaultServer
    metrics: Metrics = field(default_factory=Metrics)

    def plan(self, **extras: Any) -> dict[str, Any]:
        """Return the plan; ``extras`` are the entries of the gate's ``tenants``."""
        cards = [{"name": f"c{at}", "uuid": f"GPU-{at}"} for at in range(self.count)]
        tenants = [
            {
                "name": f"t{at}",
                "card": f"c{at}",
                "mode": "gated",
                "peak": "4Gi",
                "namespace": f"t{at}",
                "target": {"kind": "Deployment", "name": "app"},
                "windows": [DAY],
            }
            for at in range(self.count)
        ]
        return {"margin": "2Gi", "cards": cards, "tenants": tenants, "gate": {**GATE, "tenants": extras}}

    def policy(self, policy: Any) -> None:
        (self.folder / "plan.json").write_text(json.dumps(policy))

    def gate(self, *arguments: str, clock: str = "") -> Gate:
        """Return a gate with a memory of its own and the last policy; its clock begins at ``clock``."""
        self.metrics = Metrics()
        told = [f"--policy={self.folder}/plan.json", "--namespace=gate", "--state=state", "--api-ca="]
        told += [f"--api-server=http://127.0.0.1:{self.server.port}", f"--api-token={self.folder}/token"]
        told += [f"--exporter={self.exporter.url}/metrics", *arguments]
        gate = assemble(options(told), self.metrics)
        if not clock:
            return gate
        behind = datetime.now(UTC) - datetime.fromisoformat(clock)
        return Gate(replace(gate._parts, clock=lambda: datetime.now(UTC) - behind))

    def running(self) -> Gate:
        """Return a gate that has admitted everybody."""
        gate = self.gate()
        assert looked(gate)[1] == ["ADMITTED"] * self.count
        assert looked(gate)[1] == ["RUNNING"] * self.count
        return gate

    def errors(self, code: str) -> float:
        return self.metrics.value("errors_total", **{"class": code})

    def asked(self, part: str = "") -> list[str]:
        """Return what the API server was asked with ``part`` in it, and forget all."""
        found = [one for one in self.server.asked() if re.search(part, one)]
        self.server.requests.clear()
        return found


def looked(gate: Gate) -> tuple[float, list[str]]:
    """Look once and return how long it took (seconds) and the reason for each tenant."""
    began = time.monotonic()
    gate.look()
    return time.monotonic() - began, [decision.reason for decision in gate.decisions]


@contextmanager
def world(folder: Path, count: int) -> Iterator[World]:
    """Run the stand-ins of a world with so many tenants."""
    used = [1024] * count
    (folder / "token").write_text("token")

    def exporter(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(reply(_page(used), media="text/plain"))

    api = Api({f"t{at}": 0 for at in range(count)})
    with ExitStack() as stack:
        server, page = stack.enter_context(Server(api)), stack.enter_context(FaultServer(exporter))
        found = World(count, folder, api, server, used, page)
        found.policy(found.plan())
        yield found


def _page(used: list[int]) -> str:
    """Return dcgm-exporter's page (MiB)."""
    lines = []
    for at, mib in enumerate(used):
        for fact, value in {"USED": mib, "FREE": 14910 - mib, "RESERVED": 450}.items():
            lines.append(f'DCGM_FI_DEV_FB_{fact}{{UUID="GPU-{at}",gpu="{at}"}} {value}\n')
    return "".join(lines)
