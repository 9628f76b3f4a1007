"""The gate's own loop through simulated days with faults: what it holds must not grow."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import Any

from dev.bench.gate_lab import laboratory
from dev.bench.gate_objects import Place, deployment, plan
from dev.bench.model import AT_LEAST, AT_MOST, Goal, Outcome, Table
from dev.bench.running import CHECKOUT, timed
from dev.bench.temporary import Workshop, running_cluster

_HOURS, _QUICK_HOURS = 30, 4
"""Simulated."""
_GATE = {"tick": "5s", "max_transitions_per_hour": 20, "cool_down": "1m", "min_run": "0s"}
_WINDOW = {"start": "02:00", "end": "23:00", "timezone": "Etc/UTC"}
_PLACE = Place("tts", "tts")
_KINDS = {"memory": "memory, MiB", "files": "open files", "threads": "threads"}


def bench(shop: Workshop) -> Outcome:
    """Run through the hours."""
    hours = _QUICK_HOURS if shop.quick else _HOURS
    outcome = Outcome("gate-soak", f"The gate's loop through {hours} simulated hours, one request in 100 faulty")
    with (
        running_cluster(shop) as environ,
        laboratory(shop.folder / "soak", Path(environ["KUBECONFIG"])) as lab,
        shop.progress.working(f"{hours} simulated hours"),
    ):
        lab.namespace(_PLACE.namespace)
        lab.account("gate")
        lab.create([deployment(_PLACE)])
        card = lab.card("card", [_PLACE])
        told = plan([_PLACE], None, _GATE)
        told["tenants"][0]["windows"] = [_WINDOW]
        pages = [f"--exporter={card}/metrics/{name}" for name in ("dcgm", "gpu-pod-exporter")]
        command = lab.command("gate", told, *pages)
        file = lab.folder / "days.json"
        tree = {"PYTHONPATH": f"{CHECKOUT / '.collections'}:{CHECKOUT}"}
        arguments = [str(hours), card, *command[command.index("voice.gate") + 1 :]]
        timed([sys.executable, "-m", "dev.bench.gate_days", file, *arguments], tree, limit=3600)
        found = json.loads(file.read_text(encoding="utf-8"))
    _tell(outcome, found, hours)
    return outcome


def _tell(outcome: Outcome, found: dict[str, Any], hours: int) -> None:
    samples = found["samples"]
    size = max(1, len(samples) // 4)
    rows = []
    for kind, title in _KINDS.items():
        values = [one[kind] for one in samples]
        early, late = median(values[size : 2 * size]), median(values[-size:])
        rows.append((title, f"{early:.4g}", f"{late:.4g}", f"{max(values):.4g}"))
        limit = 1 if kind == "memory" else 0
        unit = " MiB" if kind == "memory" else ""
        text = f"gate-soak: growth of the median from the second to the last quarter, {kind}"
        outcome.goals.append(Goal(text, AT_MOST, limit, round(late - early, 3), unit))
    outcome.goals.append(Goal("gate-soak: simulated hours", AT_LEAST, 24, hours))
    outcome.tables.append(Table(("", "second quarter", "last quarter", "most"), tuple(rows)))
    changes = re.findall(r'^offpeak_gate_transitions_total\{.*reason="(\w+)"\} (\S+)$', found["page"], re.MULTILINE)
    told = ", ".join(f"{reason} {float(value):.0f}" for reason, value in changes)
    outcome.notes.append(f"{found['looks']:.0f} looks, {found['faults']} faults. Transitions: {told}.")
