# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate goes by: the plan, its ``gate`` entry with a default for every key, and the levels of each tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from .declared import GATED, Plan, Target, Tenant
from .errors import InputError
from .fields import Fields
from .gate_fields import Demand, integer, levels, parse_demand, refuse_self_yield, refuse_short_windows
from .plan import GATE_KEY, PLAN_KEYS, parse_plan
from .quantity import format_duration, parse_duration
from .windows import Window, parse_window

#: every duration of ``vram_plan.gate`` in seconds, and the least that makes sense
DURATIONS = {
    "tick": 1,
    "blind_grace": 0,
    "cool_down": 0,
    "min_run": 0,
    "idle_grace": 0,
    "loading_timeout": 1,
    "max_age": 1,
    "lookback": 60,
}
CAP_KEY = "max_transitions_per_hour"
GATE_KEYS = (*DURATIONS, CAP_KEY, "tenants")
TENANT_KEYS = ("enabled", "priority", "guard", "demand")
#: an admission and the leaving that must always be possible after it
LEAST_TRANSITIONS = 2


@dataclass(frozen=True)
class GatePolicy:
    """How the gate looks and waits, all in seconds but ``max_transitions_per_hour``, which counts per tenant."""

    tick: int = 5
    blind_grace: int = 120
    cool_down: int = 600
    min_run: int = 600
    idle_grace: int = 900
    loading_timeout: int = 600
    max_transitions_per_hour: int = 6
    max_age: int = 120
    lookback: int = 7 * 86400


@dataclass(frozen=True)
class TenantPolicy:
    """One gated tenant; sizes in bytes. The larger ``priority`` goes first; without ``yields`` it has no guard."""

    name: str
    card: Optional[str]
    namespace: str
    target: Target
    windows: tuple[Window, ...]
    peak_bytes: int
    floor_bytes: int
    guard_bytes: int
    priority: int = 0
    demand: Optional[Demand] = None
    yields: bool = True
    enabled: bool = True


@dataclass(frozen=True)
class Policy:
    """All that the gate is told; ``tenants`` are the gated ones in the plan's order."""

    gate: GatePolicy
    tenants: tuple[TenantPolicy, ...]
    plan: Plan = field(repr=False)


def parse_policy(value: Any, where: str = "vram_plan") -> Policy:
    """Return the policy that a plan declares; raises :class:`~.errors.InputError` at what cannot be meant."""
    plan = parse_plan(value, where)
    at = f"{where}.{GATE_KEY}" if where else GATE_KEY
    entry = value.get(GATE_KEY)
    fields = Fields({} if entry is None else entry, at, GATE_KEYS)
    outer = Fields(value, where, (*PLAN_KEYS, GATE_KEY))
    gate = _gate(fields, outer)
    extras = _extras(fields, plan)
    tenants = tuple(
        _tenant(tenant, extras.get(tenant.name), plan, f"{where}.tenants[{index}]".lstrip("."))
        for index, tenant in enumerate(plan.tenants)
        if tenant.mode == GATED
    )
    refuse_short_windows((window for tenant in tenants for window in tenant.windows), gate.tick, fields.at("tick"))
    refuse_self_yield(outer, [tenant.name for tenant in tenants if tenant.yields], plan)
    return Policy(gate, tenants, plan)


def _gate(fields: Fields, outer: Fields) -> GatePolicy:
    """Return the settings; the plan's own age limit and look-back hold where the gate's entry says nothing."""
    chosen = {}
    for key, least in DURATIONS.items():
        source = outer if key in PLAN_KEYS and fields.get(key) is None else fields
        if source.get(key) is None:
            continue
        chosen[key] = parse_duration(source.get(key), source.at(key))
        if chosen[key] < least:
            raise source.refuse(key, "is too short", f"write {format_duration(least)} or more")
    if fields.get(CAP_KEY) is not None:
        remedy = f"write {LEAST_TRANSITIONS} or more: one to start, one to stop"
        chosen[CAP_KEY] = integer(fields, CAP_KEY, remedy)
        if chosen[CAP_KEY] < LEAST_TRANSITIONS:
            raise fields.refuse(CAP_KEY, "would keep everybody out", remedy)
    return GatePolicy(**chosen)


def _extras(fields: Fields, plan: Plan) -> dict[str, Fields]:
    """Return the entries of ``gate.tenants`` by the tenant's name."""
    gated = [tenant.name for tenant in plan.tenants if tenant.mode == GATED]
    value = fields.get("tenants")
    entries = Fields({} if value is None else value, fields.at("tenants"), gated)
    present = [name for name in gated if entries.get(name) is not None]
    return {name: Fields(entries.get(name), entries.at(name), TENANT_KEYS) for name in present}


def _tenant(tenant: Tenant, extra: Optional[Fields], plan: Plan, where: str) -> TenantPolicy:
    fields = extra or Fields({}, f"{where}.{GATE_KEY}", TENANT_KEYS)
    demand = parse_demand(fields)
    if tenant.target is None:
        raise InputError(f"{where}.target", None, "is missing", "name what the gate scales")
    if not tenant.windows and not (demand and demand.any_time):
        remedy = 'say when it may run, such as {start: "02:00", end: "06:00", timezone: Europe/London}'
        raise InputError(f"{where}.windows", None, "is missing", remedy)
    floor, guard = levels(tenant, fields, plan.margin_bytes, where)
    return TenantPolicy(
        name=tenant.name,
        card=tenant.card,
        namespace=tenant.namespace,
        target=tenant.target,
        windows=tuple(parse_window(entry, f"{where}.windows[{at}]") for at, entry in enumerate(tenant.windows)),
        peak_bytes=tenant.peak_bytes,
        floor_bytes=floor,
        guard_bytes=guard,
        priority=0 if fields.get("priority") is None else integer(fields, "priority", "write a number, such as 10"),
        demand=demand,
        yields=tenant.may_yield,
        enabled=fields.flag("enabled", default=True),
    )
