"""What happened when, and the gate's numbers, as a table; they are read from its Events as anybody would."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: what each decision was compared with: the room and the level, as the Event names them
COMPARED = {"ADMITTED": ("room to enter", "floor"), "GUARD_YIELD": ("room to stay", "guard")}
NUMBERS = ("free", *(name for pair in COMPARED.values() for name in pair))
CHANGES = {"ScaleTo0": "takes text to speech off", "ScaleTo1": "lets text to speech in"}
HEADINGS = ("TIME", "WHO", "WHAT", "FREE", "ROOM", "LEVEL")
GREEN, YELLOW, PLAIN = "\033[32m", "\033[33m", "\033[0m"


@dataclass(frozen=True)
class Row:
    """One thing that happened; ``reason`` and ``numbers`` are those of the Event, if the gate did it."""

    at: datetime
    who: str
    what: str
    reason: str = ""
    numbers: Mapping[str, str] = field(default_factory=dict)


def of_event(event: Mapping[str, Any]) -> Row:
    """Return the row of one of the gate's Events."""
    note, reason = str(event["note"]), str(event["reason"])
    found = {name: re.search(rf"[(,] ?{name} ([^,)]+)", note) for name in NUMBERS}
    numbers = {name: match[1] for name, match in found.items() if match}
    what = f"{CHANGES.get(str(event['action']), 'tells')}: {reason}"
    return Row(datetime.fromisoformat(str(event["eventTime"])), "gate", what, reason, numbers)


def line(row: Row) -> str:
    """Return one row as it is told when it happens."""
    told = _compared(row)
    numbers = f" ({told[0]} {told[1]}, {told[2]} {told[3]})" if told else ""
    return _coloured(row, f"  {_clock(row)}  {row.who:<10}  {row.what}{numbers}")


def table(rows: Sequence[Row]) -> str:
    """Return all of it, in the order of time."""
    ordered = sorted(rows, key=lambda row: row.at)
    cells = [HEADINGS, *(_cells(row) for row in ordered)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
    return "\n".join([lines[0], *(_coloured(row, text) for row, text in zip(ordered, lines[1:], strict=True))])


def _cells(row: Row) -> tuple[str, ...]:
    told = _compared(row)
    room, level = (f"{told[1]} {told[0].removeprefix('room ')}", f"{told[2]} {told[3]}") if told else ("", "")
    return _clock(row), row.who, row.what, row.numbers.get("free", ""), room, level


def _compared(row: Row) -> tuple[str, str, str, str] | None:
    """Return the room and the level that a decision was taken by, with their names."""
    room, level = COMPARED.get(row.reason, ("", ""))
    if room not in row.numbers or level not in row.numbers:
        return None
    return room, row.numbers[room], level, row.numbers[level]


def _clock(row: Row) -> str:
    """Return the local time of day."""
    return f"{row.at.astimezone():%H:%M:%S}"


def _coloured(row: Row, text: str) -> str:
    """Return a line of the gate in a colour, where a person looks at it."""
    if not row.reason or not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"{GREEN if row.reason == 'ADMITTED' else YELLOW}{text}{PLAIN}"
