# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate remembers of a look: the state after the decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Optional

from . import reasons
from .gate_look import Look
from .gate_owed import debt_of, named_pods, unnamed_use
from .gate_state import Owed, State, TenantState
from .policy import TenantPolicy

#: after these a tenant waits before it may come back
COOLING = (reasons.GUARD_YIELD, reasons.BLIND_YIELD)


def remembered(look: Look, found: Mapping[str, tuple[int, str]]) -> State:
    """Return the state to pass in at the next look; ``found`` has each tenant's target and reason."""
    kept = {tenant.name: _remember(look, tenant, *found[tenant.name]) for tenant in look.policy.tenants}
    return State(kept, _owed(look, found))


def idle_since(look: Look, tenant: TenantPolicy) -> Optional[float]:
    """Return since when nobody asks for it. A failed probe changes nothing; outside the windows it counts as nobody."""
    demand, since = look.demand(tenant), look.memory(tenant).idle_since
    if tenant.demand is None or demand:
        return None
    nobody = demand is not None or not look.in_window(tenant)
    return look.seconds if since is None and nobody else since


def _remember(look: Look, tenant: TenantPolicy, target: int, reason: str) -> TenantState:
    now, facts, memory = look.seconds, look.facts(tenant), _levelled(look, tenant)
    if reason == reasons.ADMITTED:
        memory = replace(memory, admitted_at=None, loading_since=None)
    before = memory.target if memory.target is not None or facts is None else min(1, facts.replicas)
    told = target == 0 if facts is None else target != facts.replicas  # what nobody sees is not let in
    turned = before is not None and target != before and told
    # Also one that nobody told to come goes now, whatever the reason: its VRAM is on its way to the others.
    leaves = target == 0 and facts is not None and facts.replicas > 0
    unready = target == 1 and not (facts and facts.ready)
    return replace(
        memory,
        target=memory.target if facts is None and target == 1 else target,
        changed_at=now if turned or leaves or reason == reasons.FOREIGN_STOP else memory.changed_at,
        transitions=(*memory.transitions, now) if turned else memory.transitions,
        cool_down_until=now + look.policy.gate.cool_down if reason in COOLING else memory.cool_down_until,
        seen_at=memory.seen_at if look.blind(tenant) else now,
        idle_since=idle_since(look, tenant),
        admitted_at=_earliest(memory.admitted_at, now) if target == 1 else None,
        loading_since=_earliest(memory.loading_since, now) if unready else None,
    )


def _earliest(known: Optional[float], now: float) -> float:
    return now if known is None else known


def _levelled(look: Look, tenant: TenantPolicy) -> TenantState:
    """Return its memory with the levels of a trusted reading: before it came, or beside it while it runs."""
    card, memory = look.card_name(tenant.name), look.memory(tenant)
    if look.blind(tenant) or look.facts(tenant) is None or card is None:
        return memory
    level = unnamed_use(look.reading, card)
    if look.may_run(tenant):
        return replace(memory, beside_bytes=level, own_bytes=look.live(tenant.name))
    if look.holds(tenant) or look.debts(tenant):
        return memory
    return replace(memory, before_bytes=level, beside_bytes=None, own_bytes=None)


def _owed(look: Look, found: Mapping[str, tuple[int, str]]) -> dict[str, Owed]:
    """Return what is owed from now on: by those that leave now as well, and not by those that stay after all."""
    owed = dict(look.owed)
    for tenant in look.policy.tenants:
        target, facts = found[tenant.name][0], look.facts(tenant)
        told = look.memory(tenant).target
        runs = told != 0 if facts is None else facts.replicas > 0
        if target == 1 and facts is not None and runs:
            owed.pop(tenant.name, None)
        elif target == 0 and (runs or told == 1) and tenant.name not in owed:
            owed[tenant.name] = _debt(look, tenant)
    return owed


def _debt(look: Look, tenant: TenantPolicy) -> Owed:
    card = look.card_name(tenant.name) or ""
    memory = _levelled(look, tenant) if look.may_run(tenant) else look.memory(tenant)
    pods = None if look.blind(tenant) else named_pods(look.reading, card)
    return debt_of(memory, card, look.expected(tenant.name), pods, look.seconds)
