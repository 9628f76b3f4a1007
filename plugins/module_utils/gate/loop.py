# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look of the gate after the other: read, decide, act, tell. Each look stands for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Callable, Optional

from ..core import reasons
from ..core.errors import InputError
from ..core.gate import decide
from ..core.gate_state import State, lost
from ..core.gate_view import Decision, TargetFacts, View
from ..core.policy import Policy
from ..core.windows import is_open
from .demand import Demand
from .hand import CONFLICT, Hand
from .kube import KubeError
from .memory import Memory
from .policy_file import PolicyFile
from .sources import Source
from .targets import Targets
from .voice import Voice

Facts = Mapping[str, Optional[TargetFacts]]

#: how often one look may begin anew because somebody else wrote the state meanwhile
ATTEMPTS = 3


@dataclass(frozen=True)
class Parts:
    """What the loop puts together; ``clock`` returns an instant that knows its time zone."""

    policy_file: PolicyFile
    memory: Memory
    targets: Targets
    source: Source
    demand: Demand
    hand: Hand
    voice: Voice
    clock: Callable[[], datetime]
    dry_run: bool = False


class Gate:
    """Decides anew at every look; what it remembers is only what :mod:`~..core.gate_state` says."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._state: Optional[State] = None
        self._former: Optional[State] = None
        self._conflict = False
        #: the last look ended by a fault of the gate's own
        self.failed = False
        self.decisions: tuple[Decision, ...] = ()

    @property
    def tick_seconds(self) -> int:
        """Return how many seconds lie between two looks."""
        policy = self._parts.policy_file.policy
        return policy.gate.tick if policy else 5

    def closes_within(self, seconds: float) -> bool:
        """Tell whether a tenant that is to run has a window that closes so soon."""
        policy, now = self._parts.policy_file.policy, self._parts.clock()
        stays = {decision.tenant for decision in self.decisions if decision.target_replicas != 0}
        windows = [tenant.windows for tenant in (policy.tenants if policy else ()) if tenant.name in stays]
        later = now + timedelta(seconds=seconds)
        return any(is_open(each, now) and not is_open(each, later) for each in windows)

    def look(self) -> bool:
        """Look once; return whether everything that is declared was decided on."""
        self._parts.voice.begin(self._parts.clock())
        self._parts.targets.begin()
        self._read_policy()
        for number in range(ATTEMPTS):
            decided = self._try(again=number > 0)
            if not self._conflict:
                return decided
        return False

    def _try(self, *, again: bool) -> bool:
        """Look; not ``again`` where it is another gate that has written the state meanwhile, and is at work."""
        self.decisions, self._conflict, self.failed = (), False, False
        try:
            state = self._recall()
            if again and self._parts.hand.meets_another(self._parts.clock()):
                return False
            self._tell_refusal()
            policy = self._parts.policy_file.policy
            return policy is not None and self._decide(policy, state)
        except KubeError as error:
            self._conflict = error.status == CONFLICT
            if self._conflict:
                self._former, self._state = self._state or self._former, None
            self._parts.voice.error(f"state_{error.code}", str(error))
            return False
        except Exception as error:  # noqa: BLE001 - the next look may do better; if none does, the gate is not ready
            self.failed = True
            self._parts.voice.error("internal", repr(error))
            return False
        finally:
            if not self._parts.dry_run:
                self._parts.hand.deliver()

    def _read_policy(self) -> None:
        file, voice = self._parts.policy_file, self._parts.voice
        if file.look():
            voice.log("policy", problem=file.problem, used="the last good one" if file.problem else "this one")
        if file.problem:
            voice.error("policy", file.problem)
        voice.metrics.set("policy_valid", not file.problem)
        voice.metrics.set("dry_run", self._parts.dry_run)

    def _tell_refusal(self) -> None:
        file = self._parts.policy_file
        if file.problem and file.refused and not self._parts.dry_run:
            self._parts.hand.refuse(file.refused, file.problem, self._parts.clock())

    def _recall(self) -> State:
        """Return the state, at the first look that of the former gate; raises KubeError where it cannot be asked."""
        if self._state is not None:
            return self._state
        parts = self._parts
        try:
            kept = parts.memory.recall()
        except KubeError as error:
            if error.status not in (403, 404):
                raise
            parts.voice.error(f"state_{error.code}", str(error))
            return self._lost()
        parts.hand.doubt(kept.changes)
        self._fall_back(kept.policy)
        if kept.problem is not None:
            parts.voice.error("state_unreadable", f"{kept.problem}; every tenant waits as if it had just yielded")
            return self._lost()
        # Where somebody has emptied it, what this gate knows goes on.
        self._state = kept.state or self._former or State()
        return self._state

    def _fall_back(self, kept: Optional[str]) -> None:
        """Go on with the kept policy where there is no other; one that is no use either leaves the gate without."""
        try:
            if kept is not None:
                self._parts.policy_file.fall_back(kept)
        except InputError as error:
            meta = self._parts.memory.about()["metadata"]
            where = f"the policy that ConfigMap {meta['namespace']}/{meta['name']} keeps"
            told = f"{where} cannot be used either: {error}; until there is one, nobody is changed"
            self._parts.voice.error("state_unreadable", told, "policy")

    def _lost(self) -> State:
        policy = self._parts.policy_file.policy
        if policy is None:
            return State()
        names = [tenant.name for tenant in policy.tenants]
        gate = policy.gate
        return lost(names, self._parts.clock().timestamp(), gate.cool_down, gate.max_transitions_per_hour)

    def _decide(self, policy: Policy, state: State) -> bool:
        parts = self._parts
        facts = self._facts(policy)
        # The last thing that is asked for: it must not grow old while others are slow to answer.
        taken_at = parts.clock()
        reading = parts.source.read(policy, taken_at.timestamp())
        for problem in reading.problems:
            parts.voice.error(f"blind_{problem.code}", problem.message)
        now = parts.clock()
        before = parts.hand.settle(state, facts, now)
        decisions, after = decide(policy, View(reading, taken_at, facts), now, before)
        if parts.policy_file.problem:
            decisions, after = without_admissions(decisions, facts, before, after)
        self.decisions = decisions
        self._state = self._act(policy, decisions, (before, after), now)
        parts.voice.measured(policy, decisions, reading, now)
        return all(decision.target_replicas is not None for decision in decisions)

    def _facts(self, policy: Policy) -> dict[str, Optional[TargetFacts]]:
        demand = self._parts.demand.look(policy)
        facts = self._parts.targets.look(policy)
        for name, asked in demand.items():
            seen = facts[name]
            facts[name] = None if seen is None else replace(seen, demand=asked)
        return facts

    def _act(
        self, policy: Policy, decisions: tuple[Decision, ...], states: tuple[State, State], now: datetime
    ) -> State:
        parts = self._parts
        if not parts.dry_run:
            return parts.hand.act(policy, parts.policy_file.text or "", decisions, states, now)
        before, after = states
        for tenant, decision in zip(policy.tenants, decisions):
            if parts.voice.decision(tenant, decision) and decision.changed:
                parts.voice.transition(tenant, decision, dry_run=True)
        changed = {decision.tenant: before.of(decision.tenant) for decision in decisions if decision.changed}
        return replace(after, tenants={**after.tenants, **changed})


def without_admissions(
    decisions: tuple[Decision, ...], facts: Facts, before: State, after: State
) -> tuple[tuple[Decision, ...], State]:
    """Return the decisions and the state without anybody being admitted: the policy may no longer be what is meant."""
    held = []
    tenants = dict(after.tenants)
    for decision in decisions:
        seen = facts.get(decision.tenant)
        if decision.target_replicas == 1 and seen is not None and seen.replicas == 0:
            tenants[decision.tenant] = before.of(decision.tenant)
            held.append(replace(decision, target_replicas=0, reason=reasons.POLICY_REFUSED, changed=False))
        else:
            held.append(decision)
    return tuple(held), replace(after, tenants=tenants)
