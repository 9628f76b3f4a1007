# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes targets what was decided, so that every change is kept, made and told once, whatever fails between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Optional

from ..core import reasons
from ..core.gate_state import State
from ..core.gate_view import Decision, TargetFacts
from ..core.policy import Policy, TenantPolicy
from .events import Outbox, event, refusal
from .kube import KubeError, Object
from .memory import Change, Memory
from .targets import Targets
from .voice import FOREIGN, Voice

#: after this nobody can tell any more whether a change was made by the gate or by somebody else (seconds)
OLD = 600
#: within this another gate may still be making a change that it has kept (seconds)
IN_FLIGHT = 60
ALARMING = (reasons.NOT_FREED, reasons.BLIND_YIELD, *FOREIGN)
CONFLICT = 409


class Hand:
    """The only part that writes to the cluster; ``instance`` names this gate in Events."""

    def __init__(self, targets: Targets, memory: Memory, outbox: Outbox, voice: Voice, instance: str) -> None:
        self._targets = targets
        self._memory = memory
        self._outbox = outbox
        self._voice = voice
        self._instance = instance
        self._doubts: dict[str, Change] = {}
        self._refused: Optional[str] = None
        self._made: dict[str, Object] = {}
        #: when a tenant's change failed last (Unix seconds): it comes last, and those of others do not wait for it
        self._failed: dict[str, float] = {}

    def doubt(self, changes: Mapping[str, Change]) -> None:
        """Take over changes of which nobody knows yet whether they were made; of its own it knows."""
        self._doubts.update((name, change) for name, change in changes.items() if self._made.get(name) != change.event)

    def meets_another(self, now: datetime) -> bool:
        """Tell whether another gate may be about to make a change that it has kept."""
        return any(abs(now.timestamp() - change.at) < IN_FLIGHT for change in self._doubts.values())

    def refuse(self, content: str, problem: str, now: datetime) -> None:
        """Tell once that a policy with this content cannot be used."""
        if content != self._refused:
            self._refused = content
            self._outbox.put(refusal(self._memory.about(), content, problem, now, self._instance))

    def deliver(self) -> None:
        """Create the Events that wait."""
        self._outbox.deliver()
        self._voice.metrics.set("events_waiting", len(self._outbox))

    def settle(self, state: State, facts: Mapping[str, Optional[TargetFacts]], now: datetime) -> State:
        """Return the state after what the targets show of changes in doubt; those that were made are told."""
        tenants = dict(state.tenants)
        for name, change in list(self._doubts.items()):
            seen = facts.get(name)
            if abs(now.timestamp() - change.at) > OLD:
                del self._doubts[name]
            elif seen is not None:
                del self._doubts[name]
                if seen.replicas == change.replicas:
                    self._outbox.put(change.event)
                else:
                    tenants[name] = change.before
        return replace(state, tenants=tenants)

    def act(
        self, policy: Policy, text: str, decisions: tuple[Decision, ...], states: tuple[State, State], now: datetime
    ) -> State:
        """Make the changes and return the state to go on with, given those before and after the decisions.

        Raises KubeError with status 409 where another gate has written meanwhile: nothing was changed then.
        """
        before, after = states
        changes = {
            decision.tenant: Change(before.of(decision.tenant), decision.target_replicas, now.timestamp(), told)
            for tenant, decision in zip(policy.tenants, decisions)
            if decision.changed and decision.target_replicas is not None
            for told in [self._event(tenant, decision, now)]
        }
        saved = self._save(after, text, changes)
        kept = dict(after.tenants)
        for tenant, decision in self._in_order(policy, decisions):
            if decision.tenant in changes and not self._make(tenant, decision, changes[decision.tenant], saved=saved):
                kept[tenant.name] = before.of(tenant.name)
            if self._voice.decision(tenant, decision) and decision.reason == reasons.FOREIGN_STOP:
                self._outbox.put(self._event(tenant, decision, now))
            if self._voice.not_freed(decision):
                # Also outside the windows, where the decision has another reason.
                remains = replace(decision, reason=reasons.NOT_FREED, changed=False)
                self._outbox.put(self._event(tenant, remains, now))
        return replace(after, tenants=kept)

    def _event(self, tenant: TenantPolicy, decision: Decision, now: datetime) -> dict[str, object]:
        meta = self._targets.metadata(tenant.name)
        return event(tenant, decision, meta, now, self._instance, warns=decision.reason in ALARMING)

    def _save(self, state: State, text: str, changes: Mapping[str, Change]) -> bool:
        if not changes and not self._memory.worth_saving(state, text):
            return True
        try:
            self._memory.save(state, text, changes)
        except KubeError as error:
            if error.status == CONFLICT:
                raise
            self._voice.error(f"state_{error.code}", str(error))
            return False
        return True

    def _make(self, tenant: TenantPolicy, decision: Decision, change: Change, *, saved: bool) -> bool:
        """Make one change; return whether it was, or may have been, made. What cannot be kept admits nobody."""
        if change.replicas > 0 and decision.reason == reasons.ADMITTED and not saved:
            return False
        try:
            self._targets.set(tenant, change.replicas)
        except KubeError as error:
            self._voice.error(error.code, str(error), tenant.name)
            if error.sent:
                self._failed[tenant.name] = change.at
            if error.ambiguous:
                self._doubts[tenant.name] = change
            return error.ambiguous
        self._failed.pop(tenant.name, None)
        self._made[tenant.name] = change.event
        self._voice.transition(tenant, decision)
        self._outbox.put(change.event)
        return True

    def _in_order(self, policy: Policy, decisions: tuple[Decision, ...]) -> list[tuple[TenantPolicy, Decision]]:
        """Return those that leave before those that come."""
        pairs = zip(policy.tenants, decisions)
        return sorted(pairs, key=lambda pair: (bool(pair[1].target_replicas), self._failed.get(pair[0].name, 0)))
