"""The results as JSON, and back: so that one benchmark can be measured anew and the others stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from dev.bench.model import Goal, Outcome, Ratio, Results, Run, Series, Table


def to_json(results: Results) -> dict[str, Any]:
    """Return the results as they are written to the JSON file."""
    return {"schema": 1, **_run(results.run), "benchmarks": [_outcome(outcome) for outcome in results.outcomes]}


def from_json(value: Mapping[str, Any]) -> Results:
    """Return the results that :func:`to_json` wrote."""
    return Results(_read_run(value), [_read(entry) for entry in value["benchmarks"]])


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "title": outcome.title,
        "took_seconds": round(outcome.took, 1),
        **({"run": _run(outcome.run)} if outcome.run else {}),
        "series": [
            {**asdict(series), "seconds": [round(value, 4) for value in series.seconds]} for series in outcome.series
        ],
        "tables": [asdict(table) for table in outcome.tables],
        "ratios": [{**asdict(ratio), "value": round(ratio.value, 3)} for ratio in outcome.ratios],
        "goals": [{**asdict(goal), "met": goal.met} for goal in outcome.goals],
        "notes": outcome.notes,
    }


def _read(entry: Mapping[str, Any]) -> Outcome:
    return Outcome(
        name=entry["name"],
        title=entry["title"],
        series=[Series(one["case"], one["variant"], tuple(one["seconds"])) for one in entry["series"]],
        tables=[
            Table(tuple(one["header"]), tuple(tuple(row) for row in one["rows"])) for one in entry.get("tables", [])
        ],
        ratios=[Ratio(**one) for one in entry["ratios"]],
        goals=[Goal(**{key: one[key] for key in one if key != "met"}) for one in entry["goals"]],
        notes=list(entry["notes"]),
        took=entry["took_seconds"],
        run=_read_run(entry["run"]) if "run" in entry else None,
    )


def _run(run: Run) -> dict[str, Any]:
    return {"date": run.date, "quick": run.quick, "machine": dict(run.machine)}


def _read_run(value: Mapping[str, Any]) -> Run:
    return Run(value["date"], value["quick"], dict(value["machine"]))
