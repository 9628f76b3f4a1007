# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate's own metrics, in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "offpeak_gate_"

#: name: (type, help)
METRICS: Mapping[str, tuple[str, str]] = {
    "last_decision_timestamp_seconds": ("gauge", "When the gate last decided and knew that its target is so."),
    "target_info": ("gauge", "1 for the Deployment that the tenant is."),
    "target_replicas": ("gauge", "Replicas that the gate decided on."),
    "current_replicas": ("gauge", "Replicas that the target had when the gate looked."),
    "reason": ("gauge", "1 for the reason of the last decision."),
    "window_open": ("gauge", "Whether the tenant is inside one of its windows."),
    "next_window_change_timestamp_seconds": ("gauge", "When a window of the tenant opens or closes next."),
    "floor_bytes": ("gauge", "Free VRAM that must be there before the tenant is admitted."),
    "guard_bytes": ("gauge", "Free VRAM below which a running tenant yields."),
    "free_bytes": ("gauge", "Free VRAM of the card in the last trusted reading."),
    "blind_seconds": ("gauge", "For how long there has been no trustworthy reading; 0 while there is one."),
    "not_freed": ("gauge", "1 while pods or VRAM of a stopped tenant are still there, so that its card stays shut."),
    "left_behind_bytes": ("gauge", "VRAM that did not come back to the tenant's card after somebody left it."),
    "transitions_total": ("counter", "Changes of a target's replicas that the gate made."),
    "foreign_changes_total": ("counter", "Changes of a target's replicas that somebody else made."),
    "errors_total": ("counter", "Errors by class."),
    "events_waiting": ("gauge", "Events that could not be created yet."),
    "policy_valid": ("gauge", "0 while the policy file cannot be used and the last good one counts."),
    "dry_run": ("gauge", "1 where the gate only says what it would do."),
    "ticks_total": ("counter", "Looks that were completed."),
    "tick_seconds": ("gauge", "How long the last look took."),
}

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Values by name and labels; written by the loop, read by the server's threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[str, dict[Labels, float]] = {name: {} for name in METRICS}

    def set(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        with self._lock:
            self._values[name][tuple(labels.items())] = float(value)

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Count."""
        with self._lock:
            series = self._values[name]
            series[tuple(labels.items())] = series.get(tuple(labels.items()), 0) + value

    def clear(self, name: str) -> None:
        """Forget every series of a gauge, such as those of tenants that are no longer declared."""
        with self._lock:
            self._values[name] = {}

    def value(self, name: str, **labels: str) -> float:
        """Return a value, 0 if it was never set."""
        with self._lock:
            return self._values[name].get(tuple(labels.items()), 0)

    def page(self) -> str:
        """Return the page."""
        lines = []
        with self._lock:
            for name, (kind, told) in METRICS.items():
                if self._values[name]:
                    lines += [f"# HELP {PREFIX}{name} {told}", f"# TYPE {PREFIX}{name} {kind}"]
                    lines += [
                        f"{PREFIX}{name}{_shown(labels)} {value!r}"
                        for labels, value in sorted(self._values[name].items())
                    ]
        return "\n".join([*lines, ""])


def _shown(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
