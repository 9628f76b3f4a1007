# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a gated tenant's policy that must fit together: its levels, its demand, its windows and the tick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from .declared import Plan, Tenant
from .errors import InputError
from .fields import Fields
from .profiles import AUTO, PROFILE_NAMES, chosen
from .quantity import format_duration, format_size
from .windows import Window

DEMAND_KEYS = ("url", "path", "promql", "any_time")
#: a guard level lies between peak and floor (bytes)
_LEAST_GAP = 2
_DEMAND_REMEDY = "write {url: http://…, path: queue.waiting} or {promql: …}"


@dataclass(frozen=True)
class Demand:
    """Where the demand for a tenant stands: a number in the JSON of ``url`` at ``path``, or the value of ``promql``.

    With ``any_time`` a positive demand opens the gate outside the windows too.
    """

    url: Optional[str] = None
    path: Optional[str] = None
    promql: Optional[str] = None
    any_time: bool = False


def integer(fields: Fields, key: str, remedy: str) -> int:
    """Return a whole number that is there."""
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise fields.refuse(key, "is not a whole number", remedy)
    return value


def levels(tenant: Tenant, fields: Fields, margin: int, where: str) -> tuple[int, int]:
    """Return the floor and the guard level in bytes, so that peak < guard < floor and peak + margin <= floor.

    Without a floor it is peak + margin. Without a guard level that lies halfway between the peak and the floor: at the
    peak itself, a tenant at its peak would stay on a card that is full.
    """
    peak, need = tenant.peak_bytes, tenant.peak_bytes + margin
    floor = need if tenant.floor_bytes is None else tenant.floor_bytes
    if floor < need:
        problem = f"is below its peak and the margin together ({format_size(need)})"
        raise InputError(f"{where}.floor", format_size(floor), problem, f"write {format_size(need)} or more")
    if floor - peak < _LEAST_GAP:
        _refuse_gap(tenant, where)
    guard = fields.size("guard")
    if guard is None:
        guard = peak + (floor - peak) // 2
    elif guard <= peak:
        problem = f"is not above its peak ({format_size(peak)}): it would stay on a card that is full"
        raise fields.refuse("guard", problem, "leave it out, or write more than the peak and less than the floor")
    if not peak < guard < floor:
        problem = f"is not below its floor ({format_size(floor)}): it would be admitted and yield at once"
        remedy = "lower the guard level, or raise the margin or the floor"
        raise InputError(fields.at("guard"), format_size(guard), problem, remedy)
    return floor, guard


def _refuse_gap(tenant: Tenant, where: str) -> None:
    """Raise for a floor that a guard level cannot lie below: nobody wrote that level, but the floor or the margin."""
    floor = None if tenant.floor_bytes is None else format_size(tenant.floor_bytes)
    peak = format_size(tenant.peak_bytes)
    problem = f"is missing, and without a margin it is its peak ({peak})" if floor is None else f"is its peak ({peak})"
    told = f"{problem}: the level at which it yields must lie between the two"
    raise InputError(f"{where}.floor", floor, told, "write a margin, or a floor above the peak")


def parse_demand(fields: Fields) -> Optional[Demand]:
    """Return where the demand is asked, None for a tenant that is always wanted."""
    value = fields.get("demand")
    if value is None:
        return None
    entry = Fields(value, fields.at("demand"), DEMAND_KEYS)
    url, path, promql = (entry.text(key) for key in ("url", "path", "promql"))
    if (url is None) == (promql is None):
        raise fields.refuse("demand", "needs one of url and promql", _DEMAND_REMEDY)
    if (url is None) != (path is None):
        raise fields.refuse("demand", "needs a path with the url, and only with it", _DEMAND_REMEDY)
    if url is not None and not url.startswith(("http://", "https://")):
        raise entry.refuse("url", "is no address of a web server", "begin it with http:// or https://")
    return Demand(url, path, promql, entry.flag("any_time", default=False))


def refuse_self_yield(outer: Fields, yielding: Sequence[str], plan: Plan) -> None:
    """Raise for a profile that cannot tell what a tenant holds from what others hold: it would yield to itself."""
    if outer.get("profile") is None:
        return
    name = outer.choice("profile", PROFILE_NAMES)
    able = any(one.resident and not (one.copies and len(plan.tenants) > 1) for one in chosen(name))
    if yielding and not able:
        problem = f"cannot tell the use of {yielding[0]} from that of others: the gate would have it yield to itself"
        remedy = f"write {AUTO} or gpu_pod_exporter, with an exporter that knows pods, or declare may_yield: false"
        raise outer.refuse("profile", problem, remedy)


def refuse_short_windows(windows: Iterable[Window], tick: int, where: str) -> None:
    """Raise for a tick that could step over a window."""
    shortest = min((window.minutes * 60 for window in windows), default=tick)
    if tick > shortest:
        problem = f"is longer than the shortest window ({format_duration(shortest)})"
        raise InputError(where, format_duration(tick), problem, "shorten the tick; a few seconds are usual")
