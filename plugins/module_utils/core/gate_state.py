# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate remembers from one look to the next: a value that goes in and comes out.

Instants are seconds since the epoch. A clock that was put back must not make a wait longer than it was meant to be, nor
a grace: what lies in the future is brought back to now (:func:`settled`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Optional

HOUR = 3600.0


@dataclass(frozen=True)
class TenantState:
    """One gated tenant: ``target`` is what it was last told to be, None before it was told anything.

    ``seen_at`` is when a trusted reading last spoke for it, ``loading_since`` when its pods were first seen not ready.
    Of its card's use that has no pod's name (bytes): ``before_bytes`` is what it was while the tenant was last out,
    ``beside_bytes`` while it was last seen running, together with ``own_bytes``, what was attributed to it then.
    """

    target: Optional[int] = None
    changed_at: Optional[float] = None
    cool_down_until: Optional[float] = None
    seen_at: Optional[float] = None
    idle_since: Optional[float] = None
    admitted_at: Optional[float] = None
    loading_since: Optional[float] = None
    transitions: tuple[float, ...] = ()
    before_bytes: Optional[int] = None
    beside_bytes: Optional[int] = None
    own_bytes: Optional[int] = None


@dataclass(frozen=True)
class Owed:
    """VRAM that a tenant has still to give back to ``card`` (empty: nobody can name it yet) since it was told to leave.

    It has given it back when no more than ``unnamed_bytes`` are in use there without a pod's name. Of those,
    ``doubtful_bytes`` may have been pods that were only too new to be named: what is held now by pods that are not
    among ``pods``, those named then, counts against them. ``until`` is when a guess ends, None for what was measured.
    """

    card: str
    unnamed_bytes: int
    doubtful_bytes: int = 0
    pods: tuple[str, ...] = ()
    until: Optional[float] = None


@dataclass(frozen=True)
class State:
    """All tenants by name, and what is owed by each."""

    tenants: Mapping[str, TenantState] = field(default_factory=dict)
    owed: Mapping[str, Owed] = field(default_factory=dict)

    def of(self, tenant: str) -> TenantState:
        """Return what is remembered of the tenant, nothing of a new one."""
        return self.tenants.get(tenant, TenantState())


def lost(tenants: Iterable[str], now: float, cool_down: int, cap: int) -> State:
    """Return the state to go on with when the kept one cannot be read: every wait begins anew, every change is used up.

    Who runs is judged by what is measured, as always.
    """
    worst = TenantState(cool_down_until=now + cool_down, transitions=(now,) * cap)
    return State(dict.fromkeys(tenants, worst))


def settled(state: State, now: float, cool_down: int) -> State:
    """Return the state as it stands now: only a cool-down ends in the future, and changes count for an hour."""
    tenants = {name: _settled(tenant, now, cool_down) for name, tenant in state.tenants.items()}
    owed = {name: replace(debt, until=_not_beyond(debt.until, now + HOUR)) for name, debt in state.owed.items()}
    return State(tenants, owed)


def _settled(tenant: TenantState, now: float, cool_down: int) -> TenantState:
    until = tenant.cool_down_until
    return replace(
        tenant,
        changed_at=_not_beyond(tenant.changed_at, now),
        cool_down_until=None if until is None or until <= now else min(until, now + cool_down),
        seen_at=_not_beyond(tenant.seen_at, now),
        idle_since=_not_beyond(tenant.idle_since, now),
        admitted_at=_not_beyond(tenant.admitted_at, now),
        loading_since=_not_beyond(tenant.loading_since, now),
        transitions=tuple(min(at, now) for at in tenant.transitions if at > now - HOUR),
    )


def _not_beyond(instant: Optional[float], last: float) -> Optional[float]:
    return None if instant is None else min(instant, last)
