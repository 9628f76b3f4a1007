"""The window that the demo deploys for its end is closed at that instant, whenever that is."""

from __future__ import annotations

import json
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from dev.demo.night import VARIABLE, closing
from plugins.module_utils.core.windows import is_open, parse_window

LONDON = ZoneInfo("Europe/London")


@pytest.mark.parametrize("clock", ["00:00", "01:59", "06:00", "14:30"])
def test_the_windows_of_the_inventory_stay_where_they_are_closed(clock: str) -> None:
    assert closing(at(clock)) == []


@pytest.mark.parametrize("clock", ["02:00", "03:30", "05:59"])
def test_other_windows_are_deployed_where_those_of_the_inventory_are_open(clock: str) -> None:
    _option, variables = closing(at(clock))
    (window,) = json.loads(variables)[VARIABLE]
    assert not is_open([parse_window(window, VARIABLE)], at(clock))


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-21T{clock}").replace(tzinfo=LONDON)
