# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate's state as JSON values, and back: what the gate did not write itself is refused, never guessed at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Callable, Optional

from .errors import InputError
from .gate_state import Owed, State, TenantState

REMEDY = "empty the stored state, or let the gate write it anew when it changes something next"
_SIZES = ("before_bytes", "beside_bytes", "own_bytes")


def dump(state: State) -> dict[str, Any]:
    """Return the state as JSON values."""
    return asdict(state)


def load(value: Any, where: str = "state") -> State:
    """Return the state that :func:`dump` wrote; raises :class:`~.errors.InputError` for anything else."""
    entry = _mapping(value, where, State)

    def each(key: str, read: Callable[[Any, str], Any]) -> dict[str, Any]:
        at = f"{where}.{key}"
        return {name: read(kept, f"{at}.{name}") for name, kept in _mapping(entry[key], at).items()}

    return State(each("tenants", tenant), each("owed", _owed))


def tenant(value: Any, where: str) -> TenantState:
    """Return the memory of one tenant."""
    entry = dict(_mapping(value, where, TenantState))
    target, transitions = entry.pop("target"), _list(entry.pop("transitions"), f"{where}.transitions")
    if target not in (None, 0, 1) or isinstance(target, (bool, float)):
        raise InputError(f"{where}.target", target, "is neither 0 nor 1", REMEDY)
    sizes = {key: _maybe(_size, entry.pop(key), f"{where}.{key}") for key in _SIZES}
    instants = {key: _maybe(_instant, at, f"{where}.{key}") for key, at in entry.items()}
    changes = tuple(_instant(at, f"{where}.transitions") for at in transitions)
    return TenantState(target=target, transitions=changes, **sizes, **instants)


def _owed(value: Any, where: str) -> Owed:
    entry = _mapping(value, where, Owed)
    return Owed(
        card=_text(entry["card"], f"{where}.card"),
        unnamed_bytes=_size(entry["unnamed_bytes"], f"{where}.unnamed_bytes"),
        doubtful_bytes=_size(entry["doubtful_bytes"], f"{where}.doubtful_bytes"),
        pods=tuple(_text(name, f"{where}.pods") for name in _list(entry["pods"], f"{where}.pods")),
        until=_maybe(_instant, entry["until"], f"{where}.until"),
    )


def _mapping(value: Any, where: str, shape: Optional[type] = None) -> Mapping[str, Any]:
    names = None if shape is None else {known.name for known in fields(shape)}
    if not isinstance(value, Mapping) or (names is not None and set(value) != names):
        raise InputError(where, value, "is not what the gate wrote", REMEDY)
    return value


def _maybe(read: Callable[[Any, str], Any], value: Any, where: str) -> Any:
    return None if value is None else read(value, where)


def _list(value: Any, where: str) -> Any:
    if not isinstance(value, (list, tuple)):
        raise InputError(where, value, "is not a list", REMEDY)
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(where, value, "is no name", REMEDY)
    return value


def _size(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(where, value, "is no size in bytes", REMEDY)
    return value


def _instant(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InputError(where, value, "is not an instant", REMEDY)
    return float(value)
