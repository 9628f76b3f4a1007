"""A night of the gate in seconds: admitted, kept, off for somebody whom nobody declared, back, and out at last."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from kubernetes.dynamic.exceptions import NotFoundError

from dev import loopback
from dev.gate.pod import NAME, events, forget, run
from dev.gate.process import GateProcess

from .stages import CLUSTER, Failed, Local
from .timeline import Row, line, of_event

T = TypeVar("T")
NAMESPACE, TARGET = "tts", "chatterbox-tts"
WITHIN = 90.0
POLL = 0.1
#: somebody whom nobody declared; takes most of the margin, so the card is tight until the gate has acted
STRANGER = {"name": "comfyui", "pod": {"namespace": "comfyui", "name": "comfyui-0"}, "idle": "2304Mi"}


@dataclass
class Story:
    """What happens, told as it happens; the gate's own words are its Events."""

    local: Local
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    rows: list[Row] = field(default_factory=list)
    runs: int = 0

    def begin_anew(self) -> None:
        """Take back what a former demo has left: neighbours on the card, and the gate's memory of its own changes."""
        self.control("reset")
        maps = self.local.kube.resources.get(api_version="v1", kind="ConfigMap")
        with contextlib.suppress(NotFoundError):
            forget(maps, NAME)

    def open_gate(self) -> GateProcess:
        """Run the gate that is deployed now, as the kubelet would run its pod."""
        self.runs += 1
        folder = CLUSTER / "tmp" / f"gate-{self.began:%H%M%S}-{self.runs}"
        return run(self.local.kube, self.local.kubeconfig, folder)

    def happens(self, who: str, what: str) -> None:
        """Tell what somebody else than the gate does."""
        self._tell(Row(datetime.now(UTC), who, what))

    def hears(self, reason: str, count: int = 1) -> None:
        """Wait until the gate has told ``reason`` so often, and tell its Events so far."""
        self._until(lambda: self._heard().count(reason) >= count, f"the gate to tell {reason}")

    def settles(self, replicas: int) -> float:
        """Wait until text to speech has so many replicas, pods and its VRAM; return when (monotonic clock)."""
        self._until(lambda: self._stands() == replicas, f"text to speech to be at {replicas}, on the card as well")
        return time.monotonic()

    def stays(self, gate: GateProcess, looks: int = 3) -> None:
        """Wait until the gate has looked some more times and text to speech still runs."""
        before = self._until(lambda: gate.metric("ticks_total") or 0, "the gate to look")
        self._until(lambda: (gate.metric("ticks_total") or 0) >= before + looks, "the gate to look again")
        if self._stands() != 1:
            raise Failed("text to speech was to stay, and has left")
        self.happens("gate", "text to speech stays: its neighbour's peak was kept free for it")

    def control(self, action: str, **body: Any) -> None:
        """Do something to the simulated card."""
        url = f"{self.local.environ['CARD_URL']}/control/{action}"
        loopback.post(url, json=body, timeout=10).raise_for_status()

    def _stands(self) -> int | None:
        """Return 0 or 1 where replicas, pods and the card agree, None while they do not."""
        deployments = self.local.kube.resources.get(api_version="apps/v1", kind="Deployment")
        replicas = deployments.get(namespace=NAMESPACE, name=TARGET).to_dict()["spec"]["replicas"]
        pods = self.local.kube.resources.get(api_version="v1", kind="Pod").get(namespace=NAMESPACE).items
        cards = loopback.get(f"{self.local.environ['CARD_URL']}/control/state", timeout=10).json()["cards"]
        held = [one for card in cards for one in card["residents"] if one["namespace"] == NAMESPACE]
        return replicas if replicas == len(pods) == len(held) else None

    def _heard(self) -> list[str]:
        """Return the reasons of the Events since the beginning; new ones are told."""
        since = f"{self.began:%Y-%m-%dT%H:%M:%S}"
        found = [one for one in events(self.local.kube, NAMESPACE) if one["eventTime"] >= since]
        for event in found[sum(bool(row.reason) for row in self.rows) :]:
            self._tell(of_event(event))
        return [one["reason"] for one in found]

    def _tell(self, row: Row) -> None:
        self.rows.append(row)
        print(line(row), flush=True)

    def _until(self, condition: Callable[[], T], what: str) -> T:
        deadline = time.monotonic() + WITHIN
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                log = f"the gate's log: .cluster/tmp/gate-{self.began:%H%M%S}-{self.runs}/stdout"
                raise Failed(f"waited {WITHIN:.0f} s in vain for {what}; {log}")
            time.sleep(POLL)


def night(story: Story, close_window: Callable[[], None]) -> None:
    """Play it; ``close_window`` deploys a plan whose window is over."""
    gate = story.open_gate()
    try:
        story.hears("ADMITTED")
        story.settles(1)
        story.control("wake", workload="llama-swap")
        story.happens("llama-swap", "loads its model: 2.50 GiB, as declared")
        story.stays(gate)
        story.control("add", **STRANGER)
        came = time.monotonic()
        story.happens("comfyui", "starts and takes 2.25 GiB, which nobody declared")
        story.hears("GUARD_YIELD")
        left = story.settles(0) - came
        story.happens("verified", f"0 replicas, 0 pods, nothing of it on the card, {left:.1f} s after comfyui came")
        story.control("remove", workload="comfyui")
        story.happens("comfyui", "ends")
        story.hears("ADMITTED", 2)
        story.settles(1)
        close_window()
        story.happens("site.yml", "deployed the plan with windows of which none is open now")
        gate.stop()
        gate = story.open_gate()
        story.hears("OUTSIDE_WINDOW")
        story.settles(0)
        story.happens("verified", "0 replicas, 0 pods, nothing of it on the card")
        gate.stop()
    finally:
        gate.close()
