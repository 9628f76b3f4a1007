# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look of the gate's own program, with live readings and objects and its own state, that touches nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Callable, Optional

from ..core.gate_state import State, TenantState
from ..core.gate_view import Decision
from ..core.policy import Policy
from ..core.samples import PromQuery
from ..gate.demand import Demand
from ..gate.events import Outbox
from ..gate.hand import Hand
from ..gate.kube import KubeError, Object
from ..gate.loop import Gate, Parts
from ..gate.memory import Kept, Memory
from ..gate.metrics import Metrics
from ..gate.policy_file import PolicyFile
from ..gate.sources import FromPrometheus
from ..gate.targets import Targets
from ..gate.voice import Voice
from .reader import Reader

POLICY_KEY = "vram_plan.json"


@dataclass(frozen=True)
class Deployed:
    """What stands of a gate: its policy as text, its Deployment, and the arguments that its program runs with."""

    policy: Optional[str]
    deployment: Optional[Object]

    @property
    def arguments(self) -> list[str]:
        """Return the program's arguments; none where it does not run as a Deployment."""
        if self.deployment is None:
            return []
        containers = self.deployment["spec"]["template"]["spec"]["containers"]
        return [str(argument) for argument in containers[0].get("args") or []]

    def argument(self, name: str) -> Optional[str]:
        """Return the value of an argument such as ``--profile=auto``."""
        values = (text.partition("=")[2] for text in self.arguments if text.startswith(f"--{name}="))
        return next(values, None)

    @property
    def ready(self) -> bool:
        """Tell whether its pod is ready."""
        return bool(self.deployment and (self.deployment.get("status") or {}).get("readyReplicas"))


@dataclass(frozen=True)
class Seen:
    """What one look brought: decisions in the policy's order, what could not be read, and what the gate remembers."""

    policy: Optional[Policy]
    problem: Optional[str]
    decisions: tuple[Decision, ...]
    errors: tuple[str, ...]
    memory: Mapping[str, TenantState]


class Unsent(Outbox):
    """Events of which nobody hears: who only looks tells nothing either, not even what the gate still has to tell."""

    def deliver(self) -> None:
        """Do nothing."""


def deployed(reader: Reader, namespace: str, name: str) -> Deployed:
    """Return what stands of the gate ``name``; raises KubeError where the API server does not tell."""
    try:
        data = reader.config_map(namespace, f"{name}-policy").get("data") or {}
    except KubeError as error:
        if error.status != 404:
            raise
        data = {}
    return Deployed(data.get(POLICY_KEY), reader.deployment(namespace, name))


@dataclass(frozen=True)
class Eyes:
    """What a look needs beside the API server: Prometheus, how its metrics are read, a clock, a folder for a file."""

    port: PromQuery
    profile: str
    timeout: float
    clock: Callable[[], datetime]
    folder: Path


class Blank(Memory):
    """What a gate begins with that is still to come: its role makes the state, empty."""

    def recall(self) -> Kept:
        """Return an empty state."""
        return Kept(State(), None, {})


def look(reader: Reader, where: tuple[str, str], policy: str, eyes: Eyes, *, deployed: bool) -> Seen:
    """Return what the gate of this namespace and name would decide now with ``policy``, a plan as JSON."""
    path = eyes.folder / POLICY_KEY
    path.write_text(policy, encoding="utf-8")
    file, log = PolicyFile(str(path)), io.StringIO()
    voice = Voice(log, Metrics())
    memory = (Memory if deployed else Blank)(reader, where[0], f"{where[1]}-state")
    targets = Targets(reader, voice.error)
    outbox = Unsent(reader, voice.error)
    parts = Parts(
        policy_file=file,
        memory=memory,
        targets=targets,
        source=FromPrometheus(eyes.port, eyes.profile),
        demand=Demand(eyes.port, eyes.timeout, voice.error),
        hand=Hand(targets, memory, outbox, voice, "gate_info"),
        voice=voice,
        clock=eyes.clock,
        dry_run=True,
    )
    gate = Gate(parts)
    gate.look()
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    errors = tuple(str(line["message"]) for line in lines if line["kind"] == "error")
    return Seen(file.policy, file.problem, gate.decisions, errors, _remembered(memory))


def _remembered(memory: Memory) -> Mapping[str, TenantState]:
    """Return what the gate keeps of each tenant; nothing where it has not written anything that can be read."""
    try:
        kept = memory.recall()
    except KubeError:
        return {}
    return {} if kept.state is None else kept.state.tenants
