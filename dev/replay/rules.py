"""The rules that are replayed: the gate itself, models of the two that it replaces, and an oracle. Sizes are in MiB.

The models stand for the owner's CronJobs and for a KEDA formula as far as is known of them; neither is the program.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate import decide
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_state import State
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import TargetFacts, View
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import CardReading, Reading, Resident

from .day import clock
from .run import LOAD, START, STOP, Seen, steps

if TYPE_CHECKING:
    from .day import Day

MIB = 1 << 20
TENANT = "tts"


class Ours:
    """The gate: the real policy, the real :func:`decide`, its state, a look every step."""

    def __init__(self, day: Day, name: str = "the gate", guard_mib: int | None = None) -> None:
        self.name = name
        self._day = day
        self._policy = parse_policy(_plan(day, guard_mib))
        self._state = State()
        self.reasons: dict[str, int] = {}

    def look(self, seen: Seen) -> int | None:
        facts = TargetFacts(seen.replicas, seen.pods, seen.ready)
        taken = self._day.midnight + timedelta(seconds=seen.scraped)
        view = View(_reading(self._day, seen), taken, {TENANT: facts})
        now = self._day.midnight + timedelta(seconds=seen.second)
        (decision,), self._state = decide(self._policy, view, now, self._state)
        self.reasons[decision.reason] = self.reasons.get(decision.reason, 0) + 1
        return decision.target_replicas


class OwnersRule:
    """Model of the owner's CronJobs: nominal total, use with its own, one level, jobs at fixed minutes, edges.

    At the window's beginning and every 3 minutes in it the tenant is started where 16384 MiB less all use are at least
    its 6 GiB; every 5 minutes it is stopped where they are not, and at the window's end.
    """

    NOMINAL, LEVEL, DEMAND, GUARD = 16384, 6144, 180, 300

    def __init__(self, day: Day) -> None:
        self.name = "model of the owner's rule"
        self._first, self._last = clock(day.window["start"]), clock(day.window["end"])

    def look(self, seen: Seen) -> int | None:
        room = self.NOMINAL - sum(seen.held.values()) - seen.own_mib >= self.LEVEL
        if seen.second == self._last:
            return 0
        if not self._first <= seen.second < self._last:
            return None
        if seen.replicas and seen.second % self.GUARD == 0 and not room:
            return 0
        return 1 if not seen.replicas and seen.second % self.DEMAND == 0 and room else None


class KedaRule:
    """Model of KEDA with the formula "in the window and total less others' use is at least the floor".

    It polls every 30 s; from active it goes to 0 only 300 s after it was last active (both its defaults). Its query
    leaves the tenant's own namespace out.
    """

    POLL, COOL_DOWN = 30, 300

    def __init__(self, day: Day) -> None:
        self.name = "model of a KEDA formula"
        self._day = day
        self._first, self._last = clock(day.window["start"]), clock(day.window["end"])
        self._active = -self.COOL_DOWN

    def look(self, seen: Seen) -> int | None:
        if seen.second % self.POLL:
            return None
        room = self._day.total_mib - sum(seen.held.values()) >= self._day.own.floor_mib
        if self._first <= seen.second < self._last and room:
            self._active = seen.second
            return 1
        return 0 if seen.second - self._active >= self.COOL_DOWN else None


class Oracle:
    """Knows the future: runs whenever the same invariant I5 holds from before its start until after its end."""

    def __init__(self, day: Day) -> None:
        self.name = "oracle"
        first, last = clock(day.window["start"]), clock(day.window["end"])
        inside = (second for second in steps() if first <= second < last)
        self._wanted: set[int] = set()
        for fits, group in groupby(inside, key=day.fits):
            seconds = list(group)
            # It leaves early enough to be gone, and does not begin what cannot become useful.
            stay = seconds if seconds[-1] + 5 >= last else seconds[: -STOP // 5]
            if fits and len(stay) * 5 > START + LOAD:
                self._wanted.update(stay)

    def look(self, seen: Seen) -> int | None:
        return int(seen.second in self._wanted)


def _plan(day: Day, guard_mib: int | None) -> dict[str, Any]:
    size = "{}Mi".format
    others = [
        {"name": r.name, "mode": r.mode, "peak": size(r.declared_mib), "namespace": r.name}
        for r in day.residents
        if r.declared_mib is not None
    ]
    own = {
        "name": TENANT,
        "mode": "gated",
        "peak": size(day.own.peak_mib),
        "floor": size(day.own.floor_mib),
        "namespace": TENANT,
        "target": {"kind": "Deployment", "name": TENANT},
        "windows": [day.window],
    }
    guard = {} if guard_mib is None else {"guard": size(guard_mib)}
    return {
        "margin": size(day.margin_mib),
        "cards": [{"name": "card", "total": size(day.total_mib)}],
        "tenants": [*others, own],
        "gate": {"tenants": {TENANT: guard}},
    }


def _reading(day: Day, seen: Seen) -> Reading:
    declared = {resident.name for resident in day.residents if resident.declared_mib is not None}
    held = {**seen.held, TENANT: seen.own_mib}
    used = sum(held.values())
    card = CardReading(
        name="card",
        uuid=None,
        node=None,
        model="",
        total_bytes=day.total_mib * MIB,
        used_bytes=min(used, day.usable_mib) * MIB,
        free_bytes=max(0, day.usable_mib - used) * MIB,
        reserved_bytes=day.reserved_mib * MIB,
        age_seconds=0,
        profile=None,
        total_source="measured",
    )
    residents = tuple(
        Resident("card", name if name in declared | {TENANT} else None, name, f"{name}-0", mib * MIB, mib * MIB)
        for name, mib in held.items()
        if mib
    )
    return Reading(cards=(card,), residents=residents, tenant_cards=dict.fromkeys((*declared, TENANT), "card"))
