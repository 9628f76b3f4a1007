# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Windows: sets of instants, given by clock times, weekdays and an IANA time zone.

An instant is inside when a clock on the wall of that zone shows a time inside. So a window that the clocks jump over is
skipped, and one whose hour is repeated is open in both. A window that passes midnight belongs to the day it begins on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import Any, Optional
from zoneinfo import ZoneInfo

from .errors import InputError
from .fields import Fields

WINDOW_KEYS = ("start", "end", "timezone", "days")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60

#: the longest that any window stays as it is: a weekly one that a change of the clocks may skip once
HORIZON = timedelta(days=15)
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
#: what time zone data have beside the zones of places: what a machine is set to, or nobody has set, and other rules
_OF_THE_MACHINE = ("localtime", "posixrules", "Factory")
_OTHER_RULES = ("posix/", "right/")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_CLOCK_REMEDY = 'write a time from "00:00" to "23:59" in quotes (an end may be "24:00")'


@dataclass(frozen=True)
class Window:
    """Open from minute ``start`` of each of ``days`` (0: Monday) until before ``end``, the next day's if earlier."""

    start: int
    end: int
    zone: ZoneInfo
    days: frozenset[int] = frozenset(range(7))

    @property
    def minutes(self) -> int:
        """Return its length on a day whose clocks are left alone."""
        return (self.end - self.start) % DAY_MINUTES or DAY_MINUTES

    def contains(self, instant: datetime) -> bool:
        """Tell whether the window is open at ``instant``, which must know its time zone."""
        local = instant.astimezone(self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return self.start <= minute < self.end and day in self.days
        return (minute >= self.start and day in self.days) or (minute < self.end and (day - 1) % 7 in self.days)

    def changes(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Return the instants between the two at which the window may open or close, in no order."""
        yield from _offset_changes(self.zone, after, until)
        # From the day before: clocks that go back over midnight repeat its end.
        first = after.astimezone(self.zone).date() - _DAY
        for day in range((until.astimezone(self.zone).date() - first).days + 1):
            midnight = datetime.combine(first + day * _DAY, time())
            for minute in (self.start, self.end):
                for fold in (0, 1):
                    local = (midnight + timedelta(minutes=minute)).replace(tzinfo=self.zone, fold=fold)
                    instant = local.astimezone(timezone.utc)
                    if after < instant <= until:
                        yield instant


def is_open(windows: Iterable[Window], instant: datetime) -> bool:
    """Tell whether any of ``windows`` is open at ``instant``."""
    return any(window.contains(instant) for window in windows)


def next_change(windows: Sequence[Window], instant: datetime) -> Optional[datetime]:
    """Return when the union of ``windows`` next opens or closes after ``instant`` (UTC), None if not within 15 days."""
    now = is_open(windows, instant)
    until = instant + HORIZON
    candidates = sorted({change for window in windows for change in window.changes(instant, until)})
    return next((change for change in candidates if is_open(windows, change) != now), None)


def parse_window(value: Any, where: str) -> Window:
    """Return the window that ``value`` declares; raises :class:`~.errors.InputError` for one that cannot be meant."""
    fields = Fields(value, where, WINDOW_KEYS)
    start, end = (_minute(fields, key) for key in ("start", "end"))
    if start == end:
        remedy = 'a window has a length; for the whole day write "00:00" and "24:00"'
        raise fields.refuse("end", "is the same as start", remedy)
    if start == DAY_MINUTES:
        raise fields.refuse("start", "is no time to begin", 'write "00:00", the next day\'s beginning')
    return Window(start, end, _zone(fields), _days(fields))


def _minute(fields: Fields, key: str) -> int:
    text = fields.required(key, _CLOCK_REMEDY)
    match = _CLOCK.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise fields.refuse(key, "is no time of day", _CLOCK_REMEDY)
    return int(match[1]) * 60 + int(match[2]) if match[1] else DAY_MINUTES


def _zone(fields: Fields) -> ZoneInfo:
    fields.required("timezone", "name the zone whose clock counts, such as Europe/London")
    name = fields.text("timezone") or ""
    remedy = "write an IANA name such as Europe/London (the machine needs its time zone data: tzdata)"
    if name in _OF_THE_MACHINE or name.startswith(_OTHER_RULES):
        raise fields.refuse("timezone", "is no zone to go by, because machines differ in what it means", remedy)
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise fields.refuse("timezone", "is no time zone", remedy) from error


def _days(fields: Fields) -> frozenset[int]:
    names = fields.items("days", _day)
    if fields.get("days") is not None and not names:
        raise fields.refuse("days", "is empty", f"name days out of {', '.join(DAYS)}, or leave it out for all of them")
    return frozenset(names or range(7))


def _day(name: Any, where: str) -> int:
    if name not in DAYS:
        raise InputError(where, name, "is no weekday", f"write one of {', '.join(DAYS)}")
    return DAYS.index(name)


def _offset_changes(zone: tzinfo, after: datetime, until: datetime) -> Iterator[datetime]:
    """Return the instants between the two at which the zone's clocks jump, to the second."""
    low = after.astimezone(timezone.utc)
    while low < until:
        high = min(low + _HOUR, until.astimezone(timezone.utc))
        if _offset(zone, low) != _offset(zone, high):
            yield _bisect(zone, low, high)
        low = high


def _bisect(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        if _offset(zone, middle) == _offset(zone, low):
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def _offset(zone: tzinfo, instant: datetime) -> Optional[timedelta]:
    return instant.astimezone(zone).utcoffset()
