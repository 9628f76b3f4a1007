"""`python -m dev.bench.asking URL FOLDER`: ask as `vram_floor` does, keep questions and answers, time the core alone.

A program of its own, because the collection is found in `.collections` only. It reads FOLDER/plan.json and writes, for
each look-back, `LOOKBACK.curl` (a config file for curl with the same questions) and `LOOKBACK.json` (times and counts).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.connection import Connection
from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.prometheus import PrometheusClient
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.checks import judge
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import Plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.measure import measure
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.options import Options
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.result import result
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.samples import PromQuery
from dev.bench.gpu_history import LOOKBACKS, TIMEOUT

_TIMES = 5


@dataclass
class Recorder:
    """Hands questions on and keeps them with their answers."""

    port: PromQuery
    asked: list[dict[str, str]] = field(default_factory=list)
    answers: list[Mapping[str, Any]] = field(default_factory=list)

    def query(self, promql: str, *, time: float | None, lookback_delta: int | None) -> Mapping[str, Any]:
        """Return the answer of the port behind."""
        form = {"query": promql}
        form |= {} if time is None else {"time": f"{time:.3f}"}
        form |= {} if lookback_delta is None else {"lookback_delta": f"{lookback_delta}s"}
        self.asked.append(form)
        self.answers.append(self.port.query(promql, time=time, lookback_delta=lookback_delta))
        return self.answers[-1]


@dataclass
class Replay:
    """Gives kept answers again, in their order."""

    answers: list[Mapping[str, Any]]

    def query(self, promql: str, *, time: float | None, lookback_delta: int | None) -> Mapping[str, Any]:
        """Return the next answer."""
        return self.answers.pop(0)


def main(url: str, folder: Path) -> None:
    """Ask for each look-back."""
    declared = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    for name, lookback in LOOKBACKS.items():
        options = Options(lookback=lookback)
        plan = parse_plan(declared)
        recorder = Recorder(PrometheusClient(Connection(url=url, timeout=TIMEOUT)))
        begin = time.perf_counter()
        found = _all(recorder, plan, options)
        waited = time.perf_counter() - begin
        if not found["safe"]:
            sys.exit(f"the plan of the benchmark is not safe:\n{found['msg']}")
        took = []
        for _time in range(_TIMES):
            begin = time.perf_counter()
            _all(Replay(list(recorder.answers)), parse_plan(declared), options)
            took.append(time.perf_counter() - begin)
        counts = {
            "waited": waited,
            "cards": len(found["cards"]),
            "residents": len(found["residents"]),
            "history": found["history"],
        }
        text = json.dumps({"seconds": took, **counts})
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
        (folder / f"{name}.curl").write_text(curl_config(url, recorder.asked), encoding="utf-8")


def _all(port: PromQuery, plan: Plan, options: Options) -> dict[str, Any]:
    """Do all that `vram_floor` does beside I/O: parse, judge, and write the result."""
    reading = measure(port, plan, options)
    return result(plan, reading, judge(plan, reading, {}))


def curl_config(url: str, asked: list[dict[str, str]]) -> str:
    """Return the questions as a config file for curl, which asks them one after the other over one connection."""
    blocks = []
    for form in asked:
        lines = [f"data-urlencode = {json.dumps(f'{name}={value}')}" for name, value in form.items()]
        blocks.append("\n".join([f'url = "{url}/api/v1/query"', "fail", 'output = "/dev/null"', *lines]))
    return "\nnext\n".join(blocks) + "\n"


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
