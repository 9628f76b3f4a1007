"""The gate's own loop in this process, with a clock that is told the time, against the real API server and card.

A process reads the clock of the machine, which no test may set; all but the clock is what the program puts together.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.demand import Demand
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.events import Outbox
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.exporters import Exporters
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.hand import Hand
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.kube import Account, Kube
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.loop import Gate as Loop
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.loop import Parts
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.memory import Memory
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.metrics import Metrics
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.policy_file import PolicyFile
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.prometheus import Prometheus, Remembering
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.sources import FromExporters, FromPrometheus, Source
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.targets import Targets
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.voice import Voice
from tests.integration.gating import EXPORTERS, Gate
from tests.integration.gating_cases import told
from tests.integration.gating_lanes import Lane

TIMEOUT = 5.0
PAGES = tuple(f"/metrics/{name}" for name in EXPORTERS)


class Clocked(Gate):
    """A gate that looks when it is told to, at the instant that it is told."""

    def __init__(
        self, lane: Lane, policy: dict[str, Any], *, pages: tuple[str, ...] = PAGES, prometheus: str = ""
    ) -> None:
        lane.runs += 1
        self._world = self._lane = lane
        self.folder = lane.folder / f"gate-{lane.runs}"
        self.folder.mkdir(parents=True)
        (self.folder / "stderr").touch()
        self._log = (self.folder / "stdout").open("w", encoding="utf-8")
        self.token_path, self._policy_path = self.folder / "token", self.folder / "vram_plan.json"
        self.write_token(lane.token())
        self.write_policy(policy)
        self.now = datetime.now(UTC)
        self._loop = Loop(self._parts(lane, pages, prometheus))
        lane.gates_of_case.append(self)

    def at(self, instant: datetime | str) -> None:
        """Set the clock and look, again where the API server was too slow."""
        self.now = datetime.fromisoformat(instant).replace(tzinfo=UTC) if isinstance(instant, str) else instant
        self._lane.until(self._loop.look, "a look at which the API server answered")

    def after(self, seconds: float) -> None:
        """Look so many seconds later (or, below 0, earlier: somebody put the clock back)."""
        self.at(self.now + timedelta(seconds=seconds))

    def later(self, seconds: float) -> str:
        """Look so many seconds later and return the reason of the decision."""
        self.after(seconds)
        return self.says()

    def told(self, *reasons: str) -> None:
        """Wait until these were the changes; what could not be told at one look is told at the next."""
        self._lane.until(
            lambda: len(self._lane.changes()) >= len(reasons) or self.later(0) == "", f"the Events {reasons}"
        )
        told(self._lane, *reasons)

    def says(self) -> str:
        """Return the reason of the last decision."""
        (decision,) = self._loop.decisions
        return decision.reason

    def close(self) -> None:
        self._log.close()

    def _parts(self, lane: Lane, pages: tuple[str, ...], prometheus: str) -> Parts:
        voice = Voice(self._log, Metrics())
        account = Account(lane.api.url, str(self.token_path), None)
        kube = Kube(account, timeout=TIMEOUT, pause=threading.Event().wait)
        memory, targets = Memory(kube, lane.gates.namespace, "offpeak-gate-state"), Targets(kube, voice.error)
        source: Source = FromExporters(Exporters([lane.card_url + page for page in pages], timeout=TIMEOUT), "auto")
        if prometheus:
            port = Remembering(Prometheus(prometheus, timeout=TIMEOUT), 600, time.monotonic)
            source = FromPrometheus(port, "auto")
        return Parts(
            policy_file=PolicyFile(str(self._policy_path)),
            memory=memory,
            targets=targets,
            source=source,
            demand=Demand(None, TIMEOUT, voice.error),
            hand=Hand(targets, memory, Outbox(kube, voice.error), voice, "clocked"),
            voice=voice,
            clock=lambda: self.now,
        )
