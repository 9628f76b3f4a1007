# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One look of the gate: who is on the way out, what is still owed, what room is left for whom. Sizes in bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from .declared import GATED
from .gate_owed import missing, unnamed_use
from .gate_sight import Sight
from .gate_state import Owed, State
from .gate_view import Number, View
from .plausible import TOLERANCE
from .policy import Policy, TenantPolicy


class Look(Sight):
    """What is seen, and what follows of it; ``running`` and ``leaving`` follow what is decided.

    ``owed`` is what each tenant that left has still not given back.
    """

    def __init__(self, policy: Policy, view: View, now: datetime, state: State) -> None:
        super().__init__(policy, view, now, state)
        placed = {
            name: replace(debt, card=debt.card or self.card_name(name) or "") for name, debt in self.state.owed.items()
        }
        self.owed = {name: debt for name, debt in placed.items() if self._is_open(name, debt)}
        self.running = {tenant.name for tenant in policy.tenants if self.may_run(tenant)}
        self.leaving = {tenant.name for tenant in policy.tenants if self._left_lately(tenant)}

    # --- what is held ---

    def holds(self, tenant: TenantPolicy) -> bool:
        """Tell whether a tenant with no replicas still has pods or VRAM, or has not given back what it had."""
        return not self.may_run(tenant) and (self.is_there(tenant) or tenant.name in self.owed)

    def not_freed(self, tenant: TenantPolicy) -> bool:
        """Tell whether it holds on for longer than a reading may be old, so that this is no matter of time."""
        return self.holds(tenant) and tenant.name not in self.leaving

    def loading(self, tenant: TenantPolicy) -> bool:
        """Tell whether it runs and was not ready for less than the time that loading may take."""
        facts = self.facts(tenant)
        if tenant.name not in self.running or (facts is not None and facts.replicas and facts.ready):
            return False
        since = self.since(self.memory(tenant).loading_since) if self.may_run(tenant) else None
        return since is None or since < self.policy.gate.loading_timeout

    def _left_lately(self, tenant: TenantPolicy) -> bool:
        # As old as this a reading may be, so until then it need not know yet that the tenant has gone.
        memory = self.memory(tenant)
        since = self.since(memory.changed_at)
        return memory.target == 0 and since is not None and since < self.policy.gate.max_age and self.holds(tenant)

    def debts(self, tenant: TenantPolicy) -> list[Owed]:
        """Return what is still owed to the tenant's card, by whomever."""
        card = self.card_name(tenant.name)
        return [debt for debt in self.owed.values() if card is None or debt.card in (card, "")]

    def _is_open(self, name: str, debt: Owed) -> bool:
        """Tell whether the debt holds on; what is not seen now is as it was."""
        tenant = next((tenant for tenant in self.policy.tenants if tenant.name == name), None)
        if tenant is not None and (self.may_run(tenant) or self.is_there(tenant)):
            return True
        if (debt.until is not None and debt.until <= self.seconds) or self._is_gone(debt.card):
            return False
        return self.blind_on(debt.card) is not None or missing(debt, self.reading, debt.card) > TOLERANCE

    def _is_gone(self, card: str) -> bool:
        """Tell whether nobody knows the card any more: it was replaced, or has another name now."""
        seen = {found.name for found in self.reading.cards} | self.reading.doubtful()
        known = seen | {self.card_name(tenant.name) for tenant in self.policy.plan.tenants}
        return bool(card and seen) and not known & {card, None}

    # --- what is left ---

    def level(self, tenant: TenantPolicy) -> int:
        """Return the room that it needs to enter: its floor, and what it was seen to take beyond its peak."""
        return tenant.floor_bytes + self.expected(tenant.name) - tenant.peak_bytes

    def guard(self, tenant: TenantPolicy) -> int:
        """Return the room below which it must leave: its guard level, and what it was seen to take beyond its peak."""
        return tenant.guard_bytes + self.expected(tenant.name) - tenant.peak_bytes

    def room_to_stay(self, tenant: TenantPolicy) -> int:
        """Return what is free for a running tenant: without its own use, and when those that leave have left."""
        freed = sum(self.live(other.name) for other in self.neighbours(tenant) if other.name in self.leaving)
        own = self.live(tenant.name) + self._arriving(tenant)
        return self.free(tenant) + own + freed - self._reserved_for_admitted(tenant)

    def _arriving(self, tenant: TenantPolicy) -> int:
        """Return what a tenant that was let in lately seems to hold beyond what is attributed to it.

        Exporters are looked at one after the other: one says that the card is fuller before another one says by whom,
        and the tenant would yield to itself. It is at most what the tenant may still take, and only as long as a
        reading may be old.
        """
        memory, facts, card = self.memory(tenant), self.facts(tenant), self.card_name(tenant.name)
        since = self.since(memory.admitted_at)
        late = since is None or since > self.policy.gate.max_age
        if late or facts is None or not facts.attributable or memory.before_bytes is None or self.blind(tenant):
            return 0
        came = unnamed_use(self.reading, card or "") - memory.before_bytes
        return max(0, min(came, self._yet_to_take(tenant.name)))

    def room_to_enter(self, tenant: TenantPolicy) -> int:
        """Return what is free for a tenant when everybody else on its card takes what they may."""
        card = self.card_name(tenant.name)
        ungated = sum(
            self._yet_to_take(other.name)
            for other in self.policy.plan.tenants
            if other.mode != GATED and self.card_name(other.name) in (card, None)
        )
        return self.free(tenant) - ungated - self._reserved_for_admitted(tenant)

    def fits(self, tenant: TenantPolicy) -> bool:
        """Tell whether there is room for it, and none of the admitted would have to leave for its peak."""
        if self.room_to_enter(tenant) < self.level(tenant):
            return False
        peak = self.expected(tenant.name)
        admitted = (other for other in self.neighbours(tenant) if other.name in self.running)
        return all(self.room_to_stay(other) - peak >= self.guard(other) for other in admitted)

    def _reserved_for_admitted(self, tenant: TenantPolicy) -> int:
        admitted = (other.name for other in self.neighbours(tenant) if other.name in self.running - self.leaving)
        return sum(self._yet_to_take(name) for name in admitted)

    def _yet_to_take(self, tenant: str) -> int:
        return max(0, self.expected(tenant) - self.live(tenant))

    def numbers(self, tenant: TenantPolicy) -> dict[str, Number]:
        """Return what the decision on the tenant was taken from."""
        cause, memory, facts = self.blind(tenant), self.memory(tenant), self.facts(tenant)
        found: dict[str, Number] = {"transitions_last_hour": len(memory.transitions)}
        if facts is not None:
            found |= {"replicas": facts.replicas, "pods": facts.pods}
        if memory.cool_down_until is not None:
            found["cool_down_seconds"] = memory.cool_down_until - self.seconds
        if cause is not None:
            unseen = self.since(memory.seen_at)
            return {**found, "blind": cause, **({} if unseen is None else {"blind_seconds": unseen})}
        if self.debts(tenant):
            found["left_behind_bytes"] = max(self._left_behind(debt) for debt in self.debts(tenant))
        arriving = self._arriving(tenant)
        return {
            **found,
            "free_bytes": self.free(tenant),
            "own_bytes": self.live(tenant.name),
            **({"arriving_bytes": arriving} if arriving else {}),
            "room_to_enter_bytes": self.room_to_enter(tenant),
            "room_to_stay_bytes": self.room_to_stay(tenant),
            "floor_bytes": self.level(tenant),
            "guard_bytes": self.guard(tenant),
        }

    def _left_behind(self, debt: Owed) -> int:
        return 0 if self.blind_on(debt.card) else missing(debt, self.reading, debt.card)
