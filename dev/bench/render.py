"""The results as Markdown, between two markers, so that the text around them stays as it was written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dev.bench.model import Goal, Outcome, Results, Run, Series

BEGIN = "<!-- begin: figures of `make bench`, do not edit -->"
END = "<!-- end: figures of `make bench` -->"


def document(text: str, results: Results, known: Iterable[str] = ()) -> str:
    """Return the document with the new figures between its markers; a text without markers gets them at its end.

    Of the benchmarks that are `known` it names those that are missing.
    """
    figures = f"{BEGIN}\n{markdown(results, known)}\n{END}"
    if BEGIN not in text and END not in text:
        return f"{text.rstrip()}\n\n{figures}\n".lstrip()
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not begin or not end or BEGIN in rest or END in after:
        raise ValueError(f"the markers {BEGIN!r} and {END!r} must be there once each, in this order")
    return f"{before}{figures}{after}"


def markdown(results: Results, known: Iterable[str] = ()) -> str:
    """Return the figures as Markdown."""
    sections = [_run(results.run), *_missing(results, known), _goals(list(results.goals))]
    sections.extend(_section(outcome, results.run) for outcome in results.outcomes)
    return "\n\n".join(sections)


def _missing(results: Results, known: Iterable[str]) -> list[str]:
    there = {outcome.name for outcome in results.outcomes}
    names = [name for name in known if name not in there]
    return [f"Not measured, nor are their goals among these: {', '.join(names)}."] if names else []


def _run(run: Run, base: Run | None = None) -> str:
    """Return the sentences about a run; of the machine only what is another than on that of `base`."""
    kind = "A quick run, with fewer cases and rounds" if run.quick else "A full run"
    other = {name: value for name, value in run.machine.items() if base is None or base.machine.get(name) != value}
    machine = f" Machine: {', '.join(f'{name} {value}' for name, value in other.items())}." if other else ""
    return f"{kind}, {run.date}.{machine}"


def goals_met(goals: Sequence[Goal]) -> str:
    """Return the sentence that counts them."""
    if not goals:
        return "No goal was part of this run."
    unknown = sum(goal.measured is None for goal in goals)
    rest = f", {unknown} not measured" if unknown else ""
    return f"{sum(goal.met for goal in goals)} of {len(goals)} goals are met{rest}."


def _goals(goals: Sequence[Goal]) -> str:
    rows = []
    for goal in goals:
        measured = "not measured" if goal.measured is None else f"{_number(goal.measured)}{goal.unit}"
        verdict = "met" if goal.met else "" if goal.measured is None else "**missed**"
        rows.append([goal.text, f"{goal.sense} {goal.limit:g}{goal.unit}", measured, verdict])
    table = [_table(["goal", "limit", "measured", ""], rows)] if rows else []
    return "\n\n".join(["### Goals", goals_met(goals), *table])


def _section(outcome: Outcome, base: Run) -> str:
    parts = [f"### {outcome.title}"]
    if outcome.run:
        parts.append(f"Measured by itself. {_run(outcome.run, base)}")
    if outcome.series:
        parts.append("Seconds: median (least to most; runs).")
        variants = list(dict.fromkeys(series.variant for series in outcome.series))
        names = list(dict.fromkeys(ratio.name for ratio in outcome.ratios))
        known = {(series.case, series.variant): series for series in outcome.series}
        ratios = {(ratio.case, ratio.name): ratio.value for ratio in outcome.ratios}
        rows = []
        for case in dict.fromkeys(series.case for series in outcome.series):
            times = [_times(known.get((case, variant))) for variant in variants]
            quotients = [_number(ratios[case, name]) if (case, name) in ratios else "" for name in names]
            rows.append([case, *times, *quotients])
        parts.append(_table(["", *variants, *names], rows))
    parts.extend(_table(table.header, table.rows) for table in outcome.tables)
    parts.extend(outcome.notes)
    return "\n\n".join(parts)


def _times(series: Series | None) -> str:
    if series is None:
        return ""
    least, most = min(series.seconds), max(series.seconds)
    return f"{_number(series.median)} ({_number(least)} to {_number(most)}; {len(series.seconds)})"


def _number(value: float) -> str:
    """Return three digits that mean something, and never an exponent; a count as it is."""
    if value >= 100 or isinstance(value, int):
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |" for cells in lines)
