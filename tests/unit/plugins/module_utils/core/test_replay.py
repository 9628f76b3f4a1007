"""The owner's day, replayed: what docs/gate.md claims of it, and that the models fail where he saw his rule fail."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from dev.replay.day import OWNER, Day, load
from dev.replay.rules import KedaRule, Oracle, Ours, OwnersRule
from dev.replay.run import Score, replay
from dev.replay.table import row
from dev.setup.common import ROOT

DAYS = {day.name: day for day in load()}
DECLARED = [name for name in DAYS if "not declared" not in name]


@cache
def score(rule: type[Ours | OwnersRule | KedaRule | Oracle], name: str) -> Score:
    return replay(DAYS[name], rule(DAYS[name]))


@pytest.mark.parametrize("name", DAYS)
def test_the_gate_is_useful_and_calm(name: str) -> None:
    ours, best = score(Ours, name), score(Oracle, name)
    assert ours.useful_minutes >= 0.9 * best.useful_minutes
    assert ours.transitions <= 6
    assert best.unsafe_minutes == 0


@pytest.mark.parametrize("name", DECLARED)
def test_no_minute_is_unsafe_where_everybody_is_declared(name: str) -> None:
    assert score(Ours, name).unsafe_minutes == 0


def test_nobody_enters_a_card_that_the_declared_peaks_fill() -> None:
    assert score(Ours, DECLARED[0]).transitions == score(Oracle, DECLARED[0]).transitions == 0


def test_an_undeclared_wake_up_costs_less_than_under_the_models() -> None:
    (name,) = set(DAYS) - set(DECLARED)
    unsafe = [score(rule, name).unsafe_minutes for rule in (Ours, OwnersRule, KedaRule)]
    assert unsafe[0] <= 1 < min(unsafe[1:])


def test_a_recording_of_another_day_is_replayed_too(tmp_path: Path) -> None:
    value = json.loads(OWNER.read_text())
    value["residents"] = {"stt": {"mode": "warm", "declared_mib": 1536, "curve": [["00:00", 1500]]}}
    value["variants"] = [{"name": "quiet", "says": "nobody wakes"}]
    path = tmp_path / "day.json"
    path.write_text(json.dumps(value))
    (day,) = load(path)
    quiet = replay(day, Ours(day))
    assert (quiet.unsafe_minutes, quiet.transitions) == (0, 2)
    assert quiet.useful_minutes == pytest.approx(4 * 60, abs=2)


def test_the_played_world_is_what_the_file_says() -> None:
    day: Day = DAYS[DECLARED[0]]
    immich = next(resident for resident in day.residents if resident.name == "immich")
    assert (immich.wants(0), immich.wants(4 * 3600 + 34 * 60), immich.wants(5 * 3600)) == (2150, 6554, 10957)
    assert day.others(3 * 3600) == 1946 + 2150
    assert not day.fits(3 * 3600)


@pytest.mark.parametrize("name", DAYS)
def test_the_documented_numbers_are_those_of_the_replay(name: str) -> None:
    text = (ROOT / "docs" / "gate.md").read_text()
    section = text.partition(f"### {name[0].upper()}{name[1:]}\n")[2].partition("###")[0]
    for rule in (Ours, Oracle):
        assert row(score(rule, name), score(Oracle, name)) in section
