# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the gate: ``python -m <package>.gate --help``."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Sequence
from threading import Event

from ..core.gate_view import Decision
from .health import Health
from .loop import Gate
from .metrics import Metrics
from .options import assemble, options
from .server import serve

HUNG_TICKS = 12
HUNG_SECONDS = 60  # time-outs of others alone may take so long
ENDS_SOON = 60  # seconds; a Job that is started at a window's end may be told by its node that it is not yet over


def main(argv: Sequence[str]) -> int:
    """Run until SIGTERM, or once; return the exit status."""
    chosen = options(argv)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = Metrics()
    gate = assemble(chosen, metrics)
    health = Health(HUNG_SECONDS, time.monotonic)
    if chosen.listen:
        address, _colon, port = chosen.listen.rpartition(":")
        serve((address.strip("[]"), int(port)), metrics, health)
    if chosen.once:
        return once(gate, stop, chosen.once_timeout)
    run(gate, metrics, health, stop)
    return 0


def run(gate: Gate, metrics: Metrics, health: Health, stop: Event) -> None:
    """Look at every tick until ``stop``; a look that has begun is finished."""
    due = time.monotonic()
    while not stop.is_set():
        started = time.monotonic()
        decided = gate.look()
        health.limit = HUNG_SECONDS + HUNG_TICKS * gate.tick_seconds
        health.tick(decided=decided, failed=gate.failed)
        metrics.add("ticks_total")
        metrics.set("tick_seconds", time.monotonic() - started)
        due = max(due + gate.tick_seconds, time.monotonic())
        stop.wait(due - time.monotonic())


def once(gate: Gate, stop: Event, timeout: float) -> int:
    """Look until every target is what it should be and those that left are gone; 1 if that takes too long.

    A window that closes soon is waited for, but at least half of the time is left for leaving.
    """
    deadline = time.monotonic() + timeout
    soon = min(ENDS_SOON, timeout / 2)
    while True:
        decided = gate.look()
        if decided and all(map(settled, gate.decisions)) and not gate.closes_within(soon):
            return 0
        if time.monotonic() >= deadline or stop.wait(min(1, gate.tick_seconds)):
            return 1


def settled(decision: Decision) -> bool:
    """Tell whether nothing is left to wait for; VRAM that cannot be seen cannot be waited for."""
    if decision.target_replicas != 0 or decision.verified:
        return decision.target_replicas is not None and not decision.changed
    return "blind" in decision.numbers and not decision.numbers.get("replicas") and not decision.numbers.get("pods")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
