"""A day: how much each resident of a card wants at any second, and what is declared of them. Sizes are in MiB."""

from __future__ import annotations

import json
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

OWNER = Path(__file__).with_name("owner.json")
DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Resident:
    """Somebody else's workload: points (second of the day, MiB) with straight lines between; None: not declared."""

    name: str
    mode: str
    declared_mib: int | None
    curve: tuple[tuple[int, float], ...]

    def wants(self, second: int) -> int:
        """Return what it wants at that second."""
        at = bisect_right(self.curve, second, key=lambda point: point[0])
        if at == 0 or at == len(self.curve):
            return round(self.curve[max(0, at - 1)][1])
        (left, low), (right, high) = self.curve[at - 1], self.curve[at]
        return round(low + (high - low) * (second - left) / (right - left))

    def expected(self, second: int) -> int:
        """Return what it counts for: what it wants now, or what is declared if that is more."""
        return max(self.wants(second), self.declared_mib or 0)


@dataclass(frozen=True)
class Own:
    """The gated tenant: what it holds when ready, the most it takes, and its levels."""

    resting_mib: int
    peak_mib: int
    floor_mib: int
    guard_mib: int


@dataclass(frozen=True)
class Day:
    name: str
    says: str
    midnight: datetime
    total_mib: int
    reserved_mib: int
    window: dict[str, str]
    own: Own
    residents: tuple[Resident, ...]

    @property
    def usable_mib(self) -> int:
        return self.total_mib - self.reserved_mib

    @property
    def margin_mib(self) -> int:
        return self.own.floor_mib - self.own.peak_mib

    def others(self, second: int) -> int:
        """Return what everybody but the gated tenant wants at that second."""
        return sum(resident.wants(second) for resident in self.residents)

    def fits(self, second: int) -> bool:
        """Tell whether invariant I5 lets the tenant run: its peak, what the others count for, and the margin."""
        counted = sum(resident.expected(second) for resident in self.residents)
        return counted + self.own.peak_mib + self.margin_mib <= self.usable_mib


def load(path: Path = OWNER) -> list[Day]:
    """Return the day of a file, once for each of its variants; a recording has the same form."""
    value = json.loads(path.read_text())
    zone = ZoneInfo(value["window"]["timezone"])
    residents = tuple(
        Resident(name, entry["mode"], entry["declared_mib"], tuple((clock(at), mib) for at, mib in entry["curve"]))
        for name, entry in value["residents"].items()
    )
    day = Day(
        name="",
        says=value["says"],
        midnight=datetime.fromisoformat(value["date"]).replace(tzinfo=zone),
        total_mib=value["total_mib"],
        reserved_mib=value["reserved_mib"],
        window=value["window"],
        own=Own(**value["own"]),
        residents=residents,
    )
    return [_variant(day, variant) for variant in value["variants"]]


def clock(text: str) -> int:
    """Return the second of the day of ``HH:MM`` or ``HH:MM:SS``."""
    hours, minutes, *seconds = (int(part) for part in text.split(":"))
    return hours * 3600 + minutes * 60 + sum(seconds)


def _variant(day: Day, variant: dict[str, Any]) -> Day:
    changed = []
    for resident in day.residents:
        scale = variant.get("scale", {}).get(resident.name, 1)
        declared = None if resident.declared_mib is None else round(resident.declared_mib * scale)
        if resident.name in variant.get("undeclared", ()):
            declared = None
        curve = tuple((at, mib * scale) for at, mib in resident.curve)
        changed.append(replace(resident, declared_mib=declared, curve=curve))
    return replace(
        day,
        name=variant["name"],
        says=variant["says"],
        total_mib=variant.get("total_mib", day.total_mib),
        residents=tuple(changed),
    )
