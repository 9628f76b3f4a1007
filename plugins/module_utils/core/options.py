# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to measure: which exporter, how far to look back, how old a sample may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import InputError
from .profiles import AUTO, PROFILE_NAMES
from .quantity import parse_duration

DEFAULT_LOOKBACK = 7 * 86400
DEFAULT_MAX_AGE = 120


@dataclass(frozen=True)
class Options:
    """How to measure: the profile, how far to look back for peaks and how old a sample may be (seconds)."""

    profile: str = AUTO
    lookback: int = DEFAULT_LOOKBACK
    max_age: int = DEFAULT_MAX_AGE


def parse_options(value: Mapping[str, Any], where: str = "") -> Options:
    """Return the options among the keys of ``value``; one that is null or not there has its default.

    ``where`` is the path that errors begin with, as in :func:`~.plan.parse_plan`.
    """

    def at(key: str) -> str:
        return f"{where}.{key}" if where else key

    profile, lookback, max_age = (value.get(key) for key in ("profile", "lookback", "max_age"))
    if profile is not None and profile not in PROFILE_NAMES:
        raise InputError(at("profile"), profile, "is no metric profile", f"write one of {', '.join(PROFILE_NAMES)}")
    age = DEFAULT_MAX_AGE if max_age is None else parse_duration(max_age, at("max_age"))
    if age == 0:
        raise InputError(at("max_age"), max_age, "lets no sample count", "write how old a sample may be, such as 2m")
    return Options(
        AUTO if profile is None else profile,
        DEFAULT_LOOKBACK if lookback is None else parse_duration(lookback, at("lookback")),
        age,
    )
