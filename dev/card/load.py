"""How much VRAM a workload wants at an age: pure, in whole MiB."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .scenario import Sine

if TYPE_CHECKING:
    from .scenario import Growth, Load, Points


@dataclass(frozen=True, slots=True)
class Override:
    """What the control has changed of one workload; None leaves what the scenario says. Times are Unix seconds."""

    idle_mib: int | None = None
    growth: Growth | None = None
    growth_since: float = 0.0
    leak_seconds: float | None = None
    awake_until: float | None = None
    slept_at: float | None = None


def wanted_mib(load: Load, override: Override, started_at: float, now: float) -> int:
    """VRAM that the workload asks for; 0 while it loads."""
    age = _loaded_age(load, started_at, now)
    if age < 0:
        return 0
    idle = load.idle_mib if override.idle_mib is None else override.idle_mib
    amount = idle + _curve(load.curve, age) + _growth(load, override, idle, age, now)
    if load.on_demand is not None and is_awake(load, override, started_at, now):
        amount = max(amount, load.on_demand.peak_mib)
    return amount


def is_awake(load: Load, override: Override, started_at: float, now: float) -> bool:
    """Whether it was woken, or its schedule has it awake and nobody put it to sleep since that began."""
    on_demand, age = load.on_demand, _loaded_age(load, started_at, now)
    if on_demand is None or age < 0:
        return False
    if override.awake_until is not None and now < override.awake_until:
        return True
    since_first = age - on_demand.first_seconds
    if on_demand.every_seconds is None or since_first < 0:
        return False
    into = since_first % on_demand.every_seconds
    return into < on_demand.awake_seconds and (override.slept_at is None or now - into > override.slept_at)


def _loaded_age(load: Load, started_at: float, now: float) -> float:
    return now - started_at - load.load_delay_seconds


def _curve(curve: Sine | Points | None, age: float) -> int:
    if curve is None:
        return 0
    if isinstance(curve, Sine):
        return round(curve.amplitude_mib * (1 - math.cos(2 * math.pi * age / curve.period_seconds)) / 2)
    return _between(curve.points, age)


def _between(points: tuple[tuple[float, int], ...], age: float) -> int:
    at = age % points[-1][0]
    right = bisect_right(points, at, key=lambda point: point[0])
    (start, low), (end, high) = points[right - 1], points[right]
    return round(low + (high - low) * (at - start) / (end - start))


def _growth(load: Load, override: Override, idle: int, age: float, now: float) -> int:
    growth, minutes = load.growth, age / 60
    if override.growth is not None:
        growth, minutes = override.growth, min(age, now - override.growth_since) / 60
    if growth is None:
        return 0
    return max(0, min(int(growth.mib_per_minute * minutes), growth.cap_mib - idle))
