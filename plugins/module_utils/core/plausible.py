# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What makes a number of VRAM believable. Limits are those of real cards, so that a mix-up of units cannot pass."""

from __future__ import annotations

import math
from typing import Optional

from .errors import Problem, shown
from .quantity import GIB, MAX_SIZE, MIB, TIB, format_size

#: what contexts and the driver hold without a process to their name, and what two exporters may differ by (bytes)
TOLERANCE = 256 * MIB
#: what a driver may keep for itself on a card whose exporter does not tell it
UNTOLD_RESERVE = GIB


def in_bytes(value: float, unit_bytes: int) -> Optional[int]:
    """Return a sample in bytes, or None for NaN, infinite, negative and absurd ones, which say nothing.

    DCGM's "no value" is about 2^63, before its unit is applied.
    """
    size = value * unit_bytes
    return round(size) if math.isfinite(size) and 0 <= size < MAX_SIZE else None


def not_a_number(series: str, value: float) -> Problem:
    """Return the problem of a sample that is no size."""
    return Problem("not_a_size", f"{series} is {shown(value)}, which is no amount of memory: look at the exporter")


def implausible_total(series: str, total: int) -> Optional[Problem]:
    """Return the problem of a card whose total no card has: MiB taken for bytes, or the reverse."""
    if GIB <= total <= TIB:
        return None
    return Problem(
        "implausible_total",
        f"{series} says that the card has {format_size(total)}; cards have 1 GiB to 1 TiB: is its unit another one?",
    )


def implausible_use(series: str, used: int) -> Optional[Problem]:
    """Return the problem of a resident that holds something, but less than a context takes: MiB taken for bytes."""
    if used == 0 or used >= MIB:
        return None
    return Problem(
        "implausible_use",
        f"{series} says {used} bytes; a process on a card holds at least 1 MiB: is the exporter's unit another one?",
    )
