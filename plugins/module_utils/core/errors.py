# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as values: every error knows the place, the offending value, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Optional

MAX_SHOWN = 120


def shown(value: Any) -> str:
    """Return ``repr(value)``, shortened, so that a hostile or huge value cannot flood a message."""
    try:
        return _cut(repr(value), MAX_SHOWN)
    except ValueError:  # Python prints no integer of more than 4300 digits
        return f"a huge {type(value).__name__}"


def one_line(text: str, most: int = MAX_SHOWN) -> str:
    """Return somebody else's ``text`` as part of one line: shortened, and without what moves a terminal's cursor."""
    return _cut("".join(char if char.isprintable() else "?" for char in text[: most + 1]), most)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


class InputError(ValueError):
    """A declared value cannot be used.

    ``where`` is the path of the value as the user wrote it (``vram_plan.tenants[2].peak``),
    ``value`` what stands there, ``problem`` what is wrong with it and ``remedy`` what to write instead.
    """

    def __init__(self, where: str, value: Any, problem: str, remedy: str) -> None:
        subject = where if value is None else f"{where}: {shown(value)}"
        super().__init__(f"{subject} {problem}; {remedy}")
        self.where = where
        self.value = value
        self.problem = problem
        self.remedy = remedy


class QueryError(Exception):
    """A metrics source gave no usable answer: ``code`` is a stable reason code, the message names the source."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


#: the code of a problem with two numbers of which one must be wrong or old
CONTRADICTION = "contradiction"


@dataclass(frozen=True)
class Problem:
    """Why a reading is not trusted: a stable reason ``code`` and a sentence with the numbers and the remedy.

    ``card`` is the plan's card that alone it speaks against, None where it speaks against the whole reading.
    """

    code: str
    message: str
    card: Optional[str] = None
