"""`python -m dev.bench.gate_days FILE HOURS CARD_URL ARGUMENT...`: the gate's own loop through simulated hours.

A program of its own, because the collection is found in `.collections` only. The clock is passed in and each wait of
the loop moves it on; one request in a hundred fails in one of three ways; every half hour the card's resident grows or
shrinks. FILE gets, for each hour, the memory, the open files and the threads of this process.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, active_count
from typing import Any
from unittest.mock import patch

from ansible_collections.sharedgpu.voice.plugins.module_utils.gate import options
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.__main__ import run
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.health import Health
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.kube import Kube
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.loop import Gate
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.metrics import Metrics
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.server import serve
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.transport import Answer, Channel
from dev import loopback
from dev.bench.gate_counts import memory
from dev.bench.gate_objects import LOUD, QUIET

_FAULTY = 0.01
_BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
_HALF_HOUR = timedelta(minutes=30)


class Days(Event):
    """The loop's stop: each wait moves the clock by a tick, until the hours are over."""

    def __init__(self, hours: int, card_url: str, page_url: str) -> None:
        super().__init__()
        self.now = _BEGIN
        self.tick = timedelta(seconds=5)
        self.samples: list[dict[str, float]] = []
        self._end = _BEGIN + timedelta(hours=hours)
        self._card_url = card_url
        self._page_url = page_url

    def wait(self, timeout: float | None = None) -> bool:
        """Move on."""
        before, self.now = self.now, self.now + self.tick
        if (before - _BEGIN) // _HALF_HOUR != (self.now - _BEGIN) // _HALF_HOUR:
            self._half_hour()
        if self.now >= self._end:
            self.set()
        return self.is_set()

    def _half_hour(self) -> None:
        number = (self.now - _BEGIN) // _HALF_HOUR
        size = LOUD if number % 2 else QUIET
        body = {"workload": "tts-resident", "idle": size}
        loopback.post(f"{self._card_url}/control/set", json=body, timeout=20).raise_for_status()
        loopback.get(f"{self._page_url}/metrics", timeout=20).raise_for_status()
        if number % 2 == 0:
            gc.collect()
            files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names are all that is wanted
            self.samples.append({"memory": memory(os.getpid()), "files": files, "threads": active_count()})


def main(file: Path, hours: int, card_url: str, arguments: list[str]) -> None:
    """Run through the hours and write what they left."""
    faults = [0]
    metrics = Metrics()
    health = Health(1e9, time.monotonic)
    server = serve(("127.0.0.1", 0), metrics, health)
    days = Days(hours, card_url, f"http://127.0.0.1:{server.server_address[1]}")
    with patch.object(options, "Kube", _impatient), patch.object(Channel, "_exchange", _faulty(faults)):
        gate = options.assemble(options.options(arguments), metrics)
        gate = Gate(replace(gate._parts, clock=lambda: days.now))  # noqa: SLF001 - the clock is a part
        run(gate, metrics, health, days)
    told = {
        "samples": days.samples,
        "faults": faults[0],
        "looks": metrics.value("ticks_total"),
        "page": metrics.page(),
    }
    file.write_text(json.dumps(told), encoding="utf-8")


def _impatient(account: Any, *, timeout: float, pause: object) -> Kube:
    """Return the client of the API server without waits between attempts: simulated time does not pass in them."""
    del pause
    return Kube(account, timeout=timeout, pause=lambda _seconds: None)


def _faulty(count: list[int]) -> Callable[..., Answer]:
    honest = Channel._exchange  # noqa: SLF001 - below everything that handles faults

    def exchange(channel: Channel, *asked: Any) -> Answer:
        if random.random() >= _FAULTY:  # noqa: S311 - no secret
            return honest(channel, *asked)
        count[0] += 1
        fault = count[0] % 3
        if fault == 0:
            channel.close()
            raise ConnectionResetError("made up")
        status, body = (503, b"{}") if fault == 1 else (200, b"<html>")
        return Answer(status, {"Content-Type": "text/html"}, body)

    return exchange


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
