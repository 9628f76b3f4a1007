# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads typed fields out of what a user declared; every refusal names the path, the value and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional, TypeVar

from .errors import InputError
from .quantity import MIB, parse_size

T = TypeVar("T")

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-._A-Za-z0-9]{0,61}[A-Za-z0-9])?", re.ASCII)
_SUBDOMAIN_MAX = 253


class Fields:
    """The entries of one declared mapping, each read once; what nobody read is an unknown key."""

    def __init__(self, value: Any, where: str, known: Sequence[str]) -> None:
        if not isinstance(value, Mapping):
            raise InputError(where, value, "is not a mapping", f"write the keys {', '.join(known)} below it")
        unknown = sorted(str(key) for key in value if key not in known)
        if unknown:
            raise InputError(where, unknown[0], "is no known key", f"known here: {', '.join(known)}")
        self._value = value
        self.where = where

    def at(self, key: str) -> str:
        """Return the path of ``key`` as the user would write it."""
        return f"{self.where}.{key}" if self.where else key

    def get(self, key: str) -> Any:
        """Return the raw value, or None where the key is left out or null."""
        return self._value.get(key)

    def required(self, key: str, remedy: str) -> Any:
        """Return the raw value; a missing one is an error that carries ``remedy``."""
        value = self.get(key)
        if value is None:
            raise InputError(self.at(key), value, "is missing", remedy)
        return value

    def refuse(self, key: str, problem: str, remedy: str) -> InputError:
        """Return the error that names ``key`` and the value that stands there."""
        return InputError(self.at(key), self.get(key), problem, remedy)

    def label(self, key: str, remedy: str) -> str:
        """Return a required name that Kubernetes accepts (RFC 1123 label)."""
        value = self.required(key, remedy)
        if not isinstance(value, str) or not _LABEL.fullmatch(value):
            raise self.refuse(
                key, "is not a name", "use at most 63 of a-z, 0-9 and '-', beginning and ending with one of a-z, 0-9"
            )
        return value

    def name(self, key: str, remedy: str) -> str:
        """Return a required name that can be the value of a label of Kubernetes."""
        value = self.required(key, remedy)
        if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
            raise self.refuse(
                key,
                "is not a name",
                "use at most 63 of A-Z, a-z, 0-9, '-', '_' and '.', beginning and ending with a letter or a digit",
            )
        return value

    def text(self, key: str) -> Optional[str]:
        """Return an optional, non-empty, single-line text."""
        value = self.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or len(value) > _SUBDOMAIN_MAX or "\n" in value:
            raise self.refuse(
                key, "is not a text", f"write one line of 1 to {_SUBDOMAIN_MAX} characters or leave it out"
            )
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return a required value out of ``choices``."""
        value = self.required(key, f"write one of {', '.join(choices)}")
        if value not in choices:
            raise self.refuse(key, "is not known", f"write one of {', '.join(choices)}")
        return str(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return an optional boolean."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refuse(key, "is not a boolean", "write true or false")
        return value

    def size(self, key: str) -> Optional[int]:
        """Return an optional size in bytes; what cannot be meant, 1 byte to 1 MiB, is refused."""
        if self.get(key) is None:
            return None
        size = parse_size(self.get(key), self.at(key))
        if 0 < size < MIB:
            raise self.refuse(
                key, "is less than 1 MiB", "give the unit, such as 6Gi or 1536Mi; a bare integer counts bytes"
            )
        return size

    def items(self, key: str, read: Callable[[Any, str], T]) -> tuple[T, ...]:
        """Return the optional list ``key``, each entry read by ``read(value, where)``."""
        value = self.get(key)
        if value is None:
            return ()
        if isinstance(value, (str, Mapping)) or not isinstance(value, Sequence):
            raise self.refuse(key, "is not a list", "write a list")
        return tuple(read(entry, f"{self.at(key)}[{index}]") for index, entry in enumerate(value))
