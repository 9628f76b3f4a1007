# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate: what every gated tenant should be now, and why.

Pure and level-triggered: the same view, instant and state give the same decisions, and no decision needs an earlier one
to have been carried out. A caller that could not write a tenant's replicas keeps that tenant's former state.
"""

from __future__ import annotations

from datetime import datetime
from typing import Optional

from . import reasons
from .gate_look import Look
from .gate_remember import idle_since, remembered
from .gate_state import State
from .gate_view import Decision, View
from .policy import Policy, TenantPolicy


def decide(policy: Policy, view: View, now: datetime, state: State) -> tuple[tuple[Decision, ...], State]:
    """Return a decision for each gated tenant, in the plan's order, and the state to pass in at the next look.

    ``now`` knows its time zone. Who runs is judged first, the least important first: what it leaves is room for the
    others. Then the most important of the waiting is admitted; the next one of its card waits until it has loaded.
    """
    look = Look(policy, view, now, state)
    found: dict[str, tuple[int, str]] = {}
    ranked = sorted(policy.tenants, key=lambda tenant: -tenant.priority)
    for tenant in reversed(ranked):
        if look.may_run(tenant):
            found[tenant.name] = _stay(look, tenant)
            if found[tenant.name][0] == 0:
                look.leaving.add(tenant.name)
    for tenant in ranked:
        if not look.may_run(tenant):
            found[tenant.name] = _enter(look, tenant)
            if found[tenant.name][0] == 1:
                look.running.add(tenant.name)
    decisions = tuple(_decision(look, tenant, *found[tenant.name]) for tenant in policy.tenants)
    return decisions, remembered(look, found)


def _forbidden(look: Look, tenant: TenantPolicy) -> Optional[str]:
    """Return why it must not run whatever the card holds, None if it may."""
    if not tenant.enabled:
        return reasons.DISABLED
    return None if look.in_window(tenant) or _wanted_any_time(look, tenant) else reasons.OUTSIDE_WINDOW


def _wanted_any_time(look: Look, tenant: TenantPolicy) -> bool:
    if tenant.demand is None or not tenant.demand.any_time:
        return False
    return bool(look.demand(tenant)) or (look.may_run(tenant) and not _idle(look, tenant))


def _idle(look: Look, tenant: TenantPolicy) -> bool:
    since = look.since(idle_since(look, tenant))
    return since is not None and since >= look.policy.gate.idle_grace


def _stay(look: Look, tenant: TenantPolicy) -> tuple[int, str]:
    """Return (0 or 1, reason) for a tenant that has replicas, or may have."""
    forbidden, gate = _forbidden(look, tenant), look.policy.gate
    facts, memory = look.facts(tenant), look.memory(tenant)
    if forbidden is not None:
        return 0, forbidden
    if facts is not None and memory.target == 0:
        return 0, reasons.FOREIGN_START
    if look.blind(tenant):
        unseen = look.since(memory.seen_at)
        graceful = unseen is not None and unseen < gate.blind_grace
        return (1, reasons.BLIND_GRACE) if graceful else (0, reasons.BLIND_YIELD)
    run = look.since(memory.admitted_at)
    idle = look.demand(tenant) is not None and _idle(look, tenant)
    if idle and (run is None or run >= gate.min_run):
        return 0, reasons.IDLE
    tight = look.room_to_stay(tenant) < look.guard(tenant)
    if tight and tenant.yields:
        return 0, reasons.GUARD_YIELD
    return 1, _why_it_stays(look, tenant, tight=tight, idle=idle)


def _why_it_stays(look: Look, tenant: TenantPolicy, *, tight: bool, idle: bool) -> str:
    facts = look.facts(tenant)
    if facts is None:
        return reasons.TARGET_UNKNOWN
    if facts.replicas > 1:
        return reasons.FOREIGN_SCALE
    if tight:
        return reasons.NEVER_YIELDS
    if idle:
        return reasons.MIN_RUN
    return reasons.RUNNING if facts.ready else reasons.LOADING


def _enter(look: Look, tenant: TenantPolicy) -> tuple[int, str]:
    """Return (0 or 1, reason) for a tenant that has no replicas."""
    why_not = _forbidden(look, tenant) or _unfit(look, tenant) or _waits(look, tenant)
    return (0, why_not) if why_not else (1, reasons.ADMITTED)


def _unfit(look: Look, tenant: TenantPolicy) -> Optional[str]:
    """Return what is wrong with the tenant itself or with what is known of it."""
    demand = look.demand(tenant)
    if look.memory(tenant).target == 1:
        return reasons.FOREIGN_STOP
    if look.blind(tenant):
        return reasons.BLIND
    if tenant.demand is not None and not demand:
        return reasons.DEMAND_UNKNOWN if demand is None else reasons.NO_DEMAND
    if look.holds(tenant):
        return reasons.DRAINING if tenant.name in look.leaving else reasons.NOT_FREED
    return None


def _waits(look: Look, tenant: TenantPolicy) -> Optional[str]:
    """Return what it waits for: its own times, then others on its card, then room."""
    memory, others = look.memory(tenant), look.neighbours(tenant)
    if memory.cool_down_until is not None:
        return reasons.COOL_DOWN
    if len(memory.transitions) + 2 > look.policy.gate.max_transitions_per_hour:
        return reasons.CAPPED
    if look.debts(tenant) or any(other.name in look.leaving or look.holds(other) for other in others):
        return reasons.CARD_NOT_FREED
    if any(look.loading(other) for other in others):
        return reasons.CARD_BUSY
    return None if look.fits(tenant) else reasons.NO_ROOM


def _decision(look: Look, tenant: TenantPolicy, target: int, reason: str) -> Decision:
    facts = look.facts(tenant)
    if facts is None:
        verified, changed = False, target == 0 and look.memory(tenant).target != 0
    else:
        gone = facts.replicas == 0 and not look.holds(tenant)
        verified, changed = gone and not look.blind(tenant), target != facts.replicas
    unknown = facts is None and target == 1
    return Decision(
        tenant=tenant.name,
        target_replicas=None if unknown else target,
        reason=reason,
        numbers=look.numbers(tenant),
        changed=changed,
        verified=verified,
        not_freed=look.not_freed(tenant),
    )
