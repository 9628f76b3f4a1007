"""What a benchmark says must be what was measured: medians, ratios, goals, tables, and the file that holds them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dev.bench import __main__ as command
from dev.bench.__main__ import write
from dev.bench.kept import from_json, to_json
from dev.bench.model import AT_LEAST, AT_MOST, BenchError, Goal, Outcome, Results, Run, Series, Table
from dev.bench.render import BEGIN, END, document, goals_met
from dev.bench.temporary import Workshop

RUN = Run("2026-11-21", quick=False, machine={"cores": "2", "Python": "3.11.7"})


def outcome() -> Outcome:
    found = Outcome("apply", "Apply objects", took=61.04)
    found.series = [
        Series("10 objects", "ours", (3.0, 2.0, 2.5)),
        Series("10 objects", "kubectl", (0.5, 0.7)),
        Series("10 objects", "empty", (0.4,)),
        Series("site", "ours", (123.4,)),
    ]
    found.notes = ["curl was away."]
    return found


def results(*goals: Goal) -> Results:
    found = outcome()
    found.goals = list(goals)
    found.ratio("10 objects", "ours / (kubectl + empty)", "ours", "kubectl", "empty")
    found.tables = [Table(("", "requests"), (("ours", "3"),))]
    return Results(RUN, [found])


@pytest.mark.parametrize("seconds", [(), (1.0, -0.1)])
def test_series_without_times_is_refused(seconds: tuple[float, ...]) -> None:
    with pytest.raises(BenchError, match="are no times"):
        Series("case", "ours", seconds)


def test_ratio_is_that_of_medians_from_the_same_case() -> None:
    found = outcome()
    assert found.ratio("10 objects", "all", "ours", "kubectl", "empty") == pytest.approx(2.5 / (0.6 + 0.4))
    assert [ratio.value for ratio in found.ratios] == [pytest.approx(2.5)]


@pytest.mark.parametrize(
    ("case", "below"), [("site", ["kubectl"]), ("10 objects", ["kubectl", "nobody"]), ("nowhere", ["kubectl"])]
)
def test_there_is_no_ratio_to_what_was_not_measured(case: str, below: list[str]) -> None:
    found = outcome()
    assert found.ratio(case, "all", "ours", *below) is None
    assert found.ratios == []


@pytest.mark.parametrize(
    ("sense", "measured", "met"),
    [
        (AT_MOST, 3.0, True),
        (AT_MOST, 3.01, False),
        (AT_LEAST, 3.0, True),
        (AT_LEAST, 2.99, False),
        (AT_MOST, None, False),
        (AT_LEAST, None, False),
    ],
)
def test_goal_is_met_only_by_a_measured_figure(sense: str, measured: float | None, met: bool) -> None:
    assert Goal("goal", sense, 3, measured).met is met


def test_goal_needs_a_known_sense() -> None:
    with pytest.raises(ValueError, match="neither 'at most' nor 'at least'"):
        Goal("goal", "about", 3, 3)


def test_missed_goal_is_shown_as_missed() -> None:
    goals = [
        Goal("fast", AT_MOST, 60, 61.2, " s"),
        Goal("faster", AT_LEAST, 8, 8.4),
        Goal("fastest", AT_MOST, 3, None),
        Goal("questions", AT_MOST, 3, 3),
    ]
    text = document("", results(*goals))
    assert "| fast | at most 60 s | 61.2 s | **missed** |" in text
    assert "| faster | at least 8 | 8.40 | met |" in text
    assert "| fastest | at most 3 | not measured |  |" in text
    assert "| questions | at most 3 | 3 | met |" in text
    assert "2 of 4 goals are met, 1 not measured." in text
    assert goals_met([]) == "No goal was part of this run."


def test_table_has_a_line_per_case_with_all_that_was_measured() -> None:
    text = document("", results())
    assert "A full run, 2026-11-21. Machine: cores 2, Python 3.11.7." in text
    assert "|  | ours | kubectl | empty | ours / (kubectl + empty) |" in text
    row = "| 10 objects | 2.50 (2.00 to 3.00; 3) | 0.60 (0.50 to 0.70; 2) | 0.40 (0.40 to 0.40; 1) | 2.50 |"
    assert row in text
    assert "| site | 123 (123 to 123; 1) |  |  |  |" in text
    assert "curl was away." in text


def test_page_names_the_benchmarks_that_are_missing() -> None:
    text = document("", results(Goal("fast", AT_MOST, 60, 6.1)), ["vram", "apply", "demo"])
    assert "Not measured, nor are their goals among these: vram, demo." in text
    assert "Not measured" not in document("", results(), ["apply"])


def test_every_line_of_a_table_has_as_many_cells() -> None:
    text = document("", results(Goal("a | b", AT_MOST, 1, 0.01)))
    assert "a &#124; b" in text
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_figures_replace_figures_and_nothing_else() -> None:
    page = f"# Ours\n\n{BEGIN}\nold\n{END}\n\nThe end.\n"
    text = document(page, results())
    assert text.startswith(f"# Ours\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nThe end.\n")
    assert "old" not in text
    assert document(text, results()) == text


@pytest.mark.parametrize("page", [BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}", f"{BEGIN}{BEGIN}{END}"])
def test_broken_markers_are_refused(page: str) -> None:
    with pytest.raises(ValueError, match="must be there once each"):
        document(page, results())


def test_json_holds_every_single_time(tmp_path: Path) -> None:
    write(tmp_path, results(Goal("fast", AT_MOST, 60, 61.2, " s")))
    found = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    [benchmark] = found.pop("benchmarks")
    assert found == {
        "schema": 1,
        "date": "2026-11-21",
        "quick": False,
        "machine": {"cores": "2", "Python": "3.11.7"},
    }
    assert benchmark["series"][0] == {"case": "10 objects", "variant": "ours", "seconds": [3.0, 2.0, 2.5]}
    assert benchmark["ratios"] == [{"case": "10 objects", "name": "ours / (kubectl + empty)", "value": 2.5}]
    assert benchmark["goals"] == [
        {"text": "fast", "sense": "at most", "limit": 60, "measured": 61.2, "unit": " s", "met": False}
    ]
    assert {key: benchmark[key] for key in ("name", "title", "took_seconds", "notes")} == {
        "name": "apply",
        "title": "Apply objects",
        "took_seconds": 61.0,
        "notes": ["curl was away."],
    }


def test_a_benchmark_that_fails_is_told_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_shop: Workshop) -> Outcome:
        raise BenchError("no clock")

    monkeypatch.setattr(command, "facts", lambda _programs: {"cores": "2"})  # a machine of the tests has no programs
    monkeypatch.setattr(command, "BENCHES", {"vram": broken, "apply": lambda _shop: outcome()})
    assert command.main(["--out", str(tmp_path), "--date", "2026-11-21"]) == 1
    said = capsys.readouterr().out
    assert "ERROR: vram: no clock" in said
    assert "ERROR: vram failed, see above" in said
    found = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert [benchmark["name"] for benchmark in found["benchmarks"]] == ["apply"]
    assert found["date"] == "2026-11-21"


def test_results_come_back_from_json_as_they_were() -> None:
    there = results(Goal("fast", AT_MOST, 60, 61.2, " s"))
    back = from_json(json.loads(json.dumps(to_json(there))))
    assert to_json(back) == to_json(there)
    assert list(back.goals) == list(there.goals)


def test_one_benchmark_measured_anew_leaves_the_others_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "facts", lambda _programs: {"cores": "4"})
    monkeypatch.setattr(command, "BENCHES", {"vram": lambda _shop: Outcome("vram", "Floor"), "apply": lambda _shop: 0})
    write(tmp_path, results())
    assert command.main(["--only", "vram", "--out", str(tmp_path), "--date", "2026-12-24"]) == 0
    found = from_json(json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8")))
    assert found.run == RUN
    assert [(one.name, one.run and one.run.date) for one in found.outcomes] == [("vram", "2026-12-24"), ("apply", None)]
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "Measured by itself. A full run, 2026-12-24. Machine: cores 4." in page
    assert "| ours | 3 |" in page


def test_figures_of_another_file_are_merged_without_measuring(tmp_path: Path) -> None:
    write(tmp_path / "docs", results())
    other = Results(RUN, [Outcome("gate-soak", "Days", notes=["Nothing grew."])])
    write(tmp_path / "other", other)
    file = tmp_path / "other" / "benchmarks.json"
    assert command.main(["--merge", str(file), "--out", str(tmp_path / "docs")]) == 0
    page = (tmp_path / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert "Nothing grew." in page
    assert "### Apply objects" in page
    assert "Measured by itself" not in page


def test_table_with_a_ragged_row_is_refused() -> None:
    with pytest.raises(ValueError, match="not every row has 2 cells"):
        Table(("a", "b"), (("1",),))


def test_page_of_the_repository_can_take_new_figures() -> None:
    page = Path(__file__).parents[3] / "docs" / "benchmarks.md"
    text = document(page.read_text(encoding="utf-8"), results())
    assert text.startswith("# Benchmarks\n")
    assert text.count(BEGIN) == text.count(END) == 1
