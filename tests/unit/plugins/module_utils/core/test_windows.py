"""Windows against an oracle that lists every open minute of the wall clock, at all changes of all zones' clocks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.windows import (
    DAYS,
    Window,
    is_open,
    next_change,
    parse_window,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2041, 1, 1, tzinfo=UTC)
ALL = frozenset(range(7))


# --- the oracle: every minute of the wall clock at which a window is open, written down one by one ---


def open_minutes(window: Window, first: date, days: int) -> set[datetime]:
    """Return the open wall-clock minutes of the windows that begin on `days` days from `first` on."""
    length = window.end - window.start if window.end > window.start else window.end + 1440 - window.start
    found = set()
    for number in range(days):
        day = first + number * DAY
        if day.weekday() in window.days:
            begin = datetime.combine(day, time()) + window.start * MINUTE
            found |= {begin + minute * MINUTE for minute in range(length)}
    return found


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0, fold=0)


# --- all changes of the clocks of all zones, each kind once ---


@cache
def changes(name: str) -> tuple[datetime, ...]:
    """Return the instants in 2020-2040 at which the zone's offset changes (found by halving, from day to day)."""
    zone = ZoneInfo(name)

    def offset(instant: datetime) -> timedelta | None:
        return instant.astimezone(zone).utcoffset()

    found, low = [], FIRST
    while low < LAST:
        high = low + 7 * DAY
        if offset(low) != offset(high):
            left, right = low, high
            while right - left > MINUTE:
                middle = left + ((right - left) // (2 * MINUTE)) * MINUTE
                left, right = (middle, right) if offset(middle) == offset(left) else (left, middle)
            found.append(right)
        low = high
    return tuple(found)


@cache
def kinds() -> dict[tuple[Any, ...], tuple[str, datetime]]:
    """Return one zone and instant for each kind of change: weekday, wall-clock time before, length and direction."""
    found: dict[tuple[Any, ...], tuple[str, datetime]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for change in changes(name):
            before, after = (change - MINUTE).astimezone(zone), change.astimezone(zone)
            assert before.utcoffset() is not None
            shift = (after.utcoffset() or timedelta()) - (before.utcoffset() or timedelta())
            found.setdefault((before.weekday(), before.hour, before.minute, shift), (name, change))
    return found


def around(change: datetime, zone: ZoneInfo) -> Iterator[Window]:
    """Yield windows that begin, end, lie and span where the clocks jump, over midnight and on single weekdays too."""
    before, after = wall(change - MINUTE, zone) + MINUTE, wall(change, zone)
    low, high = sorted((before.hour * 60 + before.minute, after.hour * 60 + after.minute))
    middle, days = (low + high) // 2, (ALL, frozenset({before.weekday()}), frozenset({(after.weekday() - 1) % 7}))
    marks = [(low, high), (middle, high + 90), (low - 90, middle), (low - 60, high + 60), (high + 30, low - 30)]
    for start, end in marks:
        if start % 1440 != end % 1440:
            yield from (Window(start % 1440, end % 1440 or 1440, zone, chosen) for chosen in days)
    yield Window(0, 1440, zone, days[1])


def test_all_kinds_of_changes_are_there() -> None:
    shifts = {kind[3] for kind in kinds()}
    assert {HOUR, -HOUR, HOUR / 2, -HOUR / 2} <= shifts
    assert len(kinds()) >= 30
    midnight = [kind for kind in kinds() if (kind[1], kind[2]) == (23, 59)]
    assert {kind[3] > timedelta() for kind in midnight} == {True, False}


def test_windows_agree_with_the_oracle_around_every_kind_of_change() -> None:
    for name, change in kinds().values():
        zone = ZoneInfo(name)
        for window in around(change, zone):
            opened = open_minutes(window, wall(change, zone).date() - 2 * DAY, 5)
            # Every minute near the jump, then every 7th of a day on either side: windows have edges there as well.
            minutes = {*range(-200, 200), *range(-1500, 1500, 7)}
            wrong = [
                change + minute * MINUTE
                for minute in minutes
                if window.contains(change + minute * MINUTE) != (wall(change + minute * MINUTE, zone) in opened)
            ]
            assert wrong == [], (name, window, wrong[:3])


def test_windows_agree_with_the_oracle_at_every_change_of_every_zone() -> None:
    seen = set()
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        key = tuple((change, wall(change, zone)) for change in changes(name))
        if key in seen:
            continue
        seen.add(key)
        for change, after in key:
            window = Window(after.hour * 60 + after.minute, (after.hour * 60 + 25) % 1440 or 1440, zone)
            if window.start == window.end:
                continue
            opened = open_minutes(window, after.date() - 2 * DAY, 4)
            for minute in (-61, -60, -31, -30, -1, 0, 1, 24, 25, 29, 30, 59, 60, 61):
                instant = change + minute * MINUTE
                assert window.contains(instant) == (wall(instant, zone) in opened), (name, window, instant)
    assert len(seen) >= 40


# --- several a day, seconds, the union ---

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize(
    ("clock", "expected"),
    [
        ("2026-11-21T01:59:59+00:00", False),
        ("2026-11-21T02:00:00+00:00", True),
        ("2026-11-21T05:59:59.999999+00:00", True),
        ("2026-11-21T06:00:00+00:00", False),
        ("2026-11-21T12:30:00+00:00", True),
        ("2026-11-21T13:00:00+00:00", False),
        ("2026-11-21T07:30:00+05:30", True),
    ],
)
def test_several_windows_a_day_to_the_second(clock: str, expected: bool) -> None:
    windows = (Window(120, 360, LONDON), Window(750, 780, LONDON))
    assert is_open(windows, datetime.fromisoformat(clock)) is expected


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday = Window(22 * 60, 6 * 60, LONDON, frozenset({4}))
    nights = [datetime(2026, 11, day, hour, tzinfo=UTC) for day in (20, 21, 22) for hour in (1, 23)]
    assert [friday.contains(at) for at in nights] == [False, True, True, False, False, False]


@pytest.mark.parametrize(
    ("zone", "clock", "opens"),
    [
        ("Europe/London", "2026-03-29T00:30:00+00:00", None),  # 01:00-02:00 does not exist that night
        ("Australia/Lord_Howe", "2026-10-03T15:00:00+00:00", "2026-10-03T15:30:00+00:00"),  # 02:00 becomes 02:30
    ],
)
def test_a_window_that_the_clocks_jump_over_is_skipped_or_cut(zone: str, clock: str, opens: str | None) -> None:
    window = Window(60, 120, ZoneInfo(zone)) if opens is None else Window(120, 180, ZoneInfo(zone))
    found = next_change((window,), datetime.fromisoformat(clock))
    assert found == (datetime(2026, 3, 30, 0, tzinfo=UTC) if opens is None else datetime.fromisoformat(opens))


# --- the next change ---


def scan(windows: tuple[Window, ...], instant: datetime, minutes: int) -> datetime | None:
    whole = instant.replace(second=0, microsecond=0)
    now = is_open(windows, instant)
    steps = (whole + minute * MINUTE for minute in range(1, minutes + 1))
    return next((step for step in steps if is_open(windows, step) != now), None)


def test_next_change_agrees_with_scanning_around_every_kind_of_change() -> None:
    for name, change in kinds().values():
        for window in list(around(change, ZoneInfo(name)))[::2]:
            for start in (change - 100 * MINUTE, change - timedelta(seconds=1), change, change + 31 * MINUTE):
                found, seen = next_change((window,), start), scan((window,), start, 240)
                near = found if found is not None and found <= start + 240 * MINUTE - MINUTE else None
                assert near == (seen if seen and seen <= start + 240 * MINUTE - MINUTE else None), (name, window, start)


window_strategy = st.builds(
    lambda start, length, zone, days: Window(start, (start + length) % 1440 or 1440, ZoneInfo(zone), days),
    st.integers(0, 1439),
    st.integers(1, 1439),
    st.sampled_from(["Europe/London", "Australia/Lord_Howe", "America/Santiago", "Asia/Beirut", "UTC", "Asia/Kolkata"]),
    st.frozensets(st.integers(0, 6), min_size=1),
)
instants = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone


@settings(max_examples=60, deadline=None)
@given(st.lists(window_strategy, min_size=1, max_size=3).map(tuple), instants)
def test_nothing_changes_before_the_next_change(windows: tuple[Window, ...], instant: datetime) -> None:
    found, now = next_change(windows, instant), is_open(windows, instant)
    until = found or instant + 15 * DAY
    steps = [instant + (until - instant) * part / 97 for part in range(97)]
    assert {is_open(windows, step) for step in steps} == {now}
    if found is not None:
        assert is_open(windows, found) is not now
        assert is_open(windows, found - timedelta(microseconds=1)) is now


def test_what_is_always_open_never_changes() -> None:
    assert next_change((Window(0, 1440, LONDON),), FIRST) is None
    assert next_change((), FIRST) is None
    assert next_change((Window(0, 720, LONDON), Window(720, 1440, LONDON)), FIRST) is None


# --- reading ---

GOOD = {"start": "02:00", "end": "06:00", "timezone": "Europe/London"}


@pytest.mark.parametrize(
    ("change", "start", "end", "days"),
    [
        ({}, 120, 360, ALL),
        ({"start": "22:30", "end": "24:00"}, 1350, 1440, ALL),
        ({"start": "00:00", "end": "24:00", "days": ["sun", "mon"]}, 0, 1440, frozenset({0, 6})),
        ({"days": list(DAYS)}, 120, 360, ALL),
        ({"days": None}, 120, 360, ALL),
    ],
)
def test_good_windows(change: dict[str, Any], start: int, end: int, days: frozenset[int]) -> None:
    assert parse_window({**GOOD, **change}, "w") == Window(start, end, LONDON, days)


@pytest.mark.parametrize(
    ("change", "where", "says"),
    [
        ({"start": None}, "w.start", "in quotes"),
        ({"start": 1320}, "w.start", "in quotes"),  # what YAML makes of 22:00 without quotes
        ({"end": 21600}, "w.end", "in quotes"),
        ({"start": "2:00"}, "w.start", "no time of day"),
        ({"start": "25:00"}, "w.start", "no time of day"),
        ({"end": "06:60"}, "w.end", "no time of day"),
        ({"end": "06:00\n"}, "w.end", "no time of day"),
        ({"end": "\u0660\u0666:\u0660\u0660"}, "w.end", "no time of day"),
        ({"start": "24:00"}, "w.start", '"00:00"'),
        ({"end": "02:00"}, "w.end", "same as start"),
        ({"timezone": None}, "w.timezone", "Europe/London"),
        ({"timezone": "Europe/Londn"}, "w.timezone", "IANA"),
        ({"timezone": "localtime"}, "w.timezone", "'localtime' is no zone to go by"),
        ({"timezone": "posixrules"}, "w.timezone", "'posixrules' is no zone to go by"),
        ({"timezone": "Factory"}, "w.timezone", "'Factory' is no zone to go by"),
        ({"timezone": "posix/Europe/London"}, "w.timezone", "'posix/Europe/London' is no zone to go by"),
        ({"timezone": "right/Europe/London"}, "w.timezone", "'right/Europe/London' is no zone to go by"),
        ({"timezone": "../../etc/passwd"}, "w.timezone", "IANA"),
        ({"timezone": "Europe"}, "w.timezone", "IANA"),
        ({"timezone": 1}, "w.timezone", "is not a text"),
        ({"timezone": ""}, "w.timezone", "is not a text"),
        ({"days": ["Mon"]}, "w.days[0]", "mon, tue"),
        ({"days": ["mon", "tus"]}, "w.days[1]", "mon, tue"),
        ({"days": [["mon"]]}, "w.days[0]", "mon, tue"),
        ({"days": "mon"}, "w.days", "not a list"),
        ({"days": []}, "w.days", "leave it out"),
        ({"tz": "UTC"}, "w", "no known key"),
    ],
)
def test_bad_windows_are_refused_by_name(change: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_window({**GOOD, **change}, "w")
    assert caught.value.where == where
    assert says in str(caught.value)
    shown = next(iter(change.values()))
    if shown is not None and where != "w":
        assert caught.value.value in (shown, *(shown if isinstance(shown, list) else ()))
