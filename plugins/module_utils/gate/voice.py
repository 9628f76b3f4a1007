# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate's log, one JSON object a line, and the metrics that follow from a look."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import IO, Any, Optional

from ..core.gate_view import Decision
from ..core.policy import Policy, TenantPolicy
from ..core.reading import Reading
from ..core.reasons import FOREIGN_SCALE, FOREIGN_START, FOREIGN_STOP, SENTENCES
from ..core.windows import is_open, next_change
from .metrics import Metrics

FOREIGN = (FOREIGN_START, FOREIGN_STOP, FOREIGN_SCALE)
_PER_TENANT = (
    "reason",
    "target_info",
    "target_replicas",
    "current_replicas",
    "window_open",
    "floor_bytes",
    "guard_bytes",
    "not_freed",
    "left_behind_bytes",
)


class Voice:
    """Says what changed, once; counts the rest."""

    def __init__(self, out: IO[str], metrics: Metrics) -> None:
        self._out = out
        self.metrics = metrics
        self._now: Optional[datetime] = None
        self._reasons: dict[str, str] = {}
        self._not_freed: set[str] = set()
        self._blind_since: dict[str, float] = {}
        self._errors: set[tuple[str, str]] = set()
        self._former: set[tuple[str, str]] = set()
        self._changes: dict[str, tuple[TenantPolicy, datetime, Optional[datetime]]] = {}

    def begin(self, now: datetime) -> None:
        """Begin a look: an error that was told at the former look is only counted."""
        self._now, self._former, self._errors = now, self._errors, set()

    def error(self, code: str, message: str, about: str = "") -> None:
        """Count an error and log it where it is new; ``about`` tells those of one class apart."""
        self.metrics.add("errors_total", 1, **{"class": code})
        if (code, about) not in self._errors | self._former:
            self.log("error", error=code, message=message)
        self._errors.add((code, about))

    def log(self, kind: str, **fields: Any) -> None:
        """Write one line."""
        line = {"time": self._now.isoformat() if self._now else None, "kind": kind, **fields}
        self._out.write(json.dumps(line, ensure_ascii=True) + "\n")
        self._out.flush()

    def transition(self, tenant: TenantPolicy, decision: Decision, **fields: Any) -> None:
        """Log a change that was made (or would be), and count it."""
        self.metrics.add("transitions_total", tenant=tenant.name, reason=decision.reason)
        self.log("transition", **fields, **self._line(tenant, decision))

    def decision(self, tenant: TenantPolicy, decision: Decision) -> bool:
        """Log a decision whose reason is another one than before, and return whether it is."""
        new = self._reasons.get(tenant.name) != decision.reason
        if new and decision.reason in FOREIGN:
            self.metrics.add("foreign_changes_total", tenant=tenant.name, reason=decision.reason)
        self._reasons[tenant.name] = decision.reason
        if new and not decision.changed:
            self.log("reason", **self._line(tenant, decision))
        return new

    def not_freed(self, decision: Decision) -> bool:
        """Return whether the tenant is one from now on that was stopped and holds on."""
        new = decision.not_freed and decision.tenant not in self._not_freed
        (self._not_freed.add if decision.not_freed else self._not_freed.discard)(decision.tenant)
        return new

    def measured(self, policy: Policy, decisions: Iterable[Decision], reading: Reading, now: datetime) -> None:
        """Set the gauges of a look."""
        for name in _PER_TENANT:
            self.metrics.clear(name)
        for card in reading.cards:
            self.metrics.set("free_bytes", card.free_bytes, card=card.name)
        for tenant, decision in zip(policy.tenants, decisions):
            key = {"tenant": tenant.name}
            self._measured(tenant, decision, now, key)

    def _measured(self, tenant: TenantPolicy, decision: Decision, now: datetime, key: Mapping[str, str]) -> None:
        metrics, numbers = self.metrics, decision.numbers
        metrics.set("reason", 1, **key, reason=decision.reason)
        metrics.set("target_info", 1, **key, target_namespace=tenant.namespace, target=tenant.target.name)
        metrics.set("floor_bytes", float(numbers.get("floor_bytes", tenant.floor_bytes)), **key)
        metrics.set("guard_bytes", float(numbers.get("guard_bytes", tenant.guard_bytes)), **key)
        metrics.set("blind_seconds", self._blind_seconds(decision, now.timestamp()), **key)
        metrics.set("window_open", is_open(tenant.windows, now), **key)
        metrics.set("not_freed", decision.not_freed, **key)
        metrics.set("left_behind_bytes", float(numbers.get("left_behind_bytes", 0)), **key)
        if decision.target_replicas is not None:
            metrics.set("target_replicas", decision.target_replicas, **key)
        if "replicas" in numbers:
            metrics.set("current_replicas", float(numbers["replicas"]), **key)
            metrics.set("last_decision_timestamp_seconds", now.timestamp(), **key)
        change = self._next_change(tenant, now)
        if change is not None:
            metrics.set("next_window_change_timestamp_seconds", change.timestamp(), **key)

    def _next_change(self, tenant: TenantPolicy, now: datetime) -> Optional[datetime]:
        """Return when its window changes next; to find that costs milliseconds, and it holds until it has come."""
        known = self._changes.get(tenant.name)
        if known is None or known[0] != tenant or not known[1] <= now < (known[2] or now):
            known = self._changes[tenant.name] = (tenant, now, next_change(tenant.windows, now))
        return known[2]

    def _blind_seconds(self, decision: Decision, now: float) -> float:
        """Return for how long nothing was seen; of a tenant that was never seen, since the first look at it."""
        if "blind" not in decision.numbers:
            self._blind_since.pop(decision.tenant, None)
            return 0
        since = self._blind_since.setdefault(decision.tenant, now)
        return float(decision.numbers.get("blind_seconds", now - since))

    def _line(self, tenant: TenantPolicy, decision: Decision) -> dict[str, Any]:
        change = self._next_change(tenant, self._now) if self._now else None
        return {
            "tenant": tenant.name,
            "target": f"{tenant.namespace}/{tenant.target.name}",
            "replicas": decision.target_replicas,
            "reason": decision.reason,
            "sentence": SENTENCES[decision.reason],
            "numbers": dict(decision.numbers),
            "next_window_change": change.isoformat() if change else None,
        }
