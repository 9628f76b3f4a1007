"""`python -m dev.bench.gate_looks FILE LOOKS ARGUMENT...`: a gate in this process, each of its looks timed.

A program of its own, because the collection is found in `.collections` only. The arguments are the gate's own. It
looks until nothing changes any more, then so many times; FILE gets the seconds of each look and of each decision, and,
on the average of a look, the processor time and the requests to the API server.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate import decide
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate import loop, options
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.kube import Kube
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.loop import Gate
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.metrics import Metrics

_SETTLED = 120.0
_PAUSE = 0.3


def main(file: Path, looks: int, arguments: list[str]) -> None:
    """Look and write what it took."""
    kubes: list[Kube] = []
    decided: list[float] = []

    def keep(*given: Any, **named: Any) -> Kube:
        kubes.append(Kube(*given, **named))
        return kubes[-1]

    with patch.object(options, "Kube", keep), patch.object(loop, "decide", timed(decide, decided)):
        gate = options.assemble(options.options(arguments), Metrics())
        targets = settle(gate)
        decided.clear()
        before = sum(kubes[0].requests.values())
        seconds: list[float] = []
        look = timed(gate.look, seconds)
        used = time.process_time()
        for _look in range(looks):
            if not look():
                sys.exit("a look did not decide on everything")
    used = (time.process_time() - used) / looks
    asked = (sum(kubes[0].requests.values()) - before) / looks
    found = {"targets": targets, "looks": seconds, "decisions": decided, "requests": asked, "cpu": used}
    file.write_text(json.dumps(found), encoding="utf-8")


def settle(gate: Gate) -> int:
    """Look until every target runs, and return how many there are."""
    deadline = time.monotonic() + _SETTLED
    while not (gate.look() and {decision.reason for decision in gate.decisions} == {"RUNNING"}):
        if time.monotonic() > deadline:
            sys.exit(f"not every target runs: {[(one.tenant, one.reason) for one in gate.decisions]}")
        time.sleep(_PAUSE)
    return len(gate.decisions)


def timed(what: Callable[..., Any], times: list[float]) -> Callable[..., Any]:
    """Return the same, with the seconds of each call kept."""

    def call(*given: Any, **named: Any) -> Any:
        begin = time.perf_counter()
        try:
            return what(*given, **named)
        finally:
            times.append(time.perf_counter() - begin)

    return call


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
