"""The windows of the demo: one that is open at once, and those of its inventory, which have mostly closed by then."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from plugins.module_utils.core.windows import is_open, parse_window

PLAN = Path(__file__).parents[2] / "inventories" / "demo" / "group_vars" / "all" / "vram_plan.yml"
VARIABLE = "demo_windows"


def opening(now: datetime) -> list[str]:
    """Return the arguments of a play whose window opened this minute and stays open for two hours."""
    return _arguments(now, now + timedelta(hours=2))


def closing(now: datetime) -> list[str]:
    """Return those of a play whose window is closed: none, unless the inventory's own window is open just now."""
    own = yaml.safe_load(PLAN.read_text(encoding="utf-8"))[VARIABLE]
    if not is_open([parse_window(entry, VARIABLE) for entry in own], now):
        return []
    return _arguments(now + timedelta(hours=6), now + timedelta(hours=10))


def _arguments(start: datetime, end: datetime) -> list[str]:
    window: dict[str, Any] = {"start": f"{start.astimezone(UTC):%H:%M}", "end": f"{end.astimezone(UTC):%H:%M}"}
    return ["-e", json.dumps({VARIABLE: [{**window, "timezone": "Etc/UTC"}]})]
