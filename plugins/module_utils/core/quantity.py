# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes and durations as people write them in a plan, and back again.

Sizes are Kubernetes quantities (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/)
or integers in bytes. Durations are a number with a unit, as Prometheus writes them: ``90s``, ``5m``, ``1h30m``, ``7d``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from .errors import InputError

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40

SIZE_REMEDY = "write a Kubernetes quantity such as 6Gi, 1536Mi or 1.5Gi, or an integer in bytes"
DURATION_REMEDY = "write a number with a unit, such as 90s, 5m, 1h30m or 7d"

_BINARY = {"Ki": KIB, "Mi": MIB, "Gi": GIB, "Ti": TIB, "Pi": 1 << 50, "Ei": 1 << 60}
_POWERS = {"m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_DECIMAL = {suffix: Fraction(10) ** power for suffix, power in _POWERS.items()}
_FACTORS = {**{suffix: Fraction(factor) for suffix, factor in _BINARY.items()}, **_DECIMAL}
_SIZE = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)(?:[eE]([+-]?\d{1,3})|([KMGTPE]i|[mkMGTPE]?))", re.ASCII)
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_SECONDS = (604800, 86400, 3600, 60, 1)
_MAX_TEXT = 64
#: what Kubernetes can count (bytes)
MAX_SIZE = (1 << 63) - 1


def parse_size(value: Any, where: str) -> int:
    """Return ``value`` in bytes, rounded up to a whole byte as Kubernetes does.

    Raises :class:`InputError` for anything that is not a quantity or a non-negative integer.
    """
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise InputError(where, value, "is not a size", SIZE_REMEDY)
    size = Fraction(value) if isinstance(value, int) else _quantity(value, where)
    if size < 0:
        raise InputError(where, value, "is below zero", SIZE_REMEDY)
    if size > MAX_SIZE:
        raise InputError(where, value, "is larger than Kubernetes can count", SIZE_REMEDY)
    return -int(-size // 1)


def _quantity(text: str, where: str) -> Fraction:
    match = _SIZE.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise InputError(where, text, "is not a size", SIZE_REMEDY)
    sign, digits, exponent, suffix = match.groups()
    factor = Fraction(10) ** int(exponent) if exponent else _FACTORS[suffix or ""]
    number = Fraction(digits.rstrip(".")) * factor
    return -number if sign == "-" else number


def to_quantity(size: int) -> str:
    """Return ``size`` (bytes) as the shortest exact Kubernetes quantity with a binary suffix."""
    for suffix, factor in reversed(_BINARY.items()):
        if size and size % factor == 0:
            return f"{size // factor}{suffix}"
    return str(size)


def format_size(size: int) -> str:
    """Return ``size`` (bytes) for people: ``1.46 GiB``, ``150 MiB``, ``12 B``."""
    if abs(size) >= GIB:
        return f"{size / GIB:.2f} GiB"
    if abs(size) >= MIB:
        return f"{size / MIB:.0f} MiB"
    return f"{size} B"


def round_up(size: int, step: int) -> int:
    """Return the smallest multiple of ``step`` that is not below ``size`` (both in bytes)."""
    return -(-size // step) * step


def parse_duration(value: Any, where: str) -> int:
    """Return ``value`` in seconds; raises :class:`InputError` for anything but a duration such as ``5m``."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) and 0 < len(value) <= _MAX_TEXT else None
    if match is None:
        raise InputError(where, value, "is not a duration", DURATION_REMEDY)
    return sum(int(part or 0) * seconds for part, seconds in zip(match.groups(), _SECONDS))


def format_duration(seconds: float) -> str:
    """Return ``seconds`` in its largest fitting units: ``7d``, ``1h30m``, ``45s``."""
    rest = max(0, round(seconds))
    parts = []
    for unit, length in zip("dhms", _SECONDS[1:]):
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
