"""Strict reading of one mapping of a scenario or a control call: typed getters, then `done` refuses what is left."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from kubernetes.utils.quantity import parse_quantity

from .scenario import MIB

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

_MISSING = object()
_MAX_MIB = 1 << 30


class ScenarioError(ValueError):
    """What is wrong, where: `workloads[2].idle: '6GB' is not a size; write …`. `valid` lists the accepted names."""

    def __init__(self, where: str, value: object, problem: str, valid: Sequence[str] = ()) -> None:
        super().__init__(f"{where}: {value!r} {problem}" + (f"; valid: {', '.join(valid)}" if valid else ""))
        self.valid = tuple(valid)


class Fields:
    """The entries of one mapping. A getter without `default` requires its key."""

    def __init__(self, raw: object, where: str) -> None:
        if not isinstance(raw, dict) or not all(isinstance(key, str) for key in raw):
            raise ScenarioError(where, raw, "is not a mapping of names to values")
        self.where = where
        self._raw: dict[str, Any] = raw
        self._asked: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._raw

    def done(self) -> None:
        """Refuse the keys that nobody asked for."""
        unknown = [key for key in self._raw if key not in self._asked]
        if unknown:
            raise ScenarioError(self.where, unknown[0], "is not known here", self._asked)

    def group(self, key: str) -> Fields | None:
        value = self._get(key, None)
        return None if value is None else Fields(value, self._at(key))

    def entries(self, key: str, *, optional: bool = False) -> list[Fields]:
        value = self._get(key, [] if optional else _MISSING)
        if not isinstance(value, list):
            raise ScenarioError(self._at(key), value, "is not a list")
        return [Fields(entry, f"{self._at(key)}[{number}]") for number, entry in enumerate(value)]

    def text(self, key: str, default: object = _MISSING) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or not value:
            raise ScenarioError(self._at(key), value, "is not a text; write it in quotes if it looks like a number")
        return value

    def choice(self, key: str, valid: Sequence[str], default: object = _MISSING) -> str:
        value = self._get(key, default, valid)
        if value not in valid:
            raise ScenarioError(self._at(key), value, "is not one of these", valid)
        return str(value)

    def matching(self, key: str, expression: str, remedy: str, default: object = _MISSING) -> str:
        value = self._get(key, default)
        if not isinstance(value, str) or not re.fullmatch(expression, value):
            raise ScenarioError(self._at(key), value, f"does not fit; write {remedy}")
        return value

    def regex(self, key: str, default: object = _MISSING) -> re.Pattern[str]:
        value = self.text(key, default)
        try:
            return re.compile(value)
        except re.error as error:
            raise ScenarioError(self._at(key), value, f"is not a regular expression: {error}") from error

    def flag(self, key: str, default: object = _MISSING) -> bool:
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise ScenarioError(self._at(key), value, "is neither true nor false")
        return value

    def number(self, key: str, default: object = _MISSING, *, above_zero: bool = False) -> float:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ScenarioError(self._at(key), value, "is not a number")
        if value < 0 or (above_zero and value == 0):
            raise ScenarioError(self._at(key), value, "is not above 0" if above_zero else "is below 0")
        return float(value)

    def whole(self, key: str, default: object = _MISSING, *, least: int = 0, most: int = 1000) -> int:
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ScenarioError(self._at(key), value, f"is not a whole number from {least} to {most}")
        return value

    def size(self, key: str, default: object = _MISSING) -> int:
        """A size in MiB."""
        value = self._get(key, default)
        mib = _mib(value)
        if mib is None or not 0 <= mib <= _MAX_MIB or mib != int(mib):
            raise ScenarioError(self._at(key), value, "is not a size; write whole MiB as 1536Mi or 1.5Gi")
        return int(mib)

    def _at(self, key: str) -> str:
        return f"{self.where}.{key}"

    def _get(self, key: str, default: object, valid: Sequence[str] = ()) -> Any:
        self._asked.append(key)
        value = self._raw.get(key, default)
        if value is _MISSING:
            raise ScenarioError(self.where, key, "is missing", valid)
        return value


def _mib(value: object) -> Decimal | None:
    """MiB of a quantity; None where it is none."""
    try:
        size: Decimal = parse_quantity(value)
    except (ValueError, ArithmeticError):
        return None
    return size / MIB if isinstance(value, str) and size.is_finite() else None
