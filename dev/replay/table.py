"""The scores of all rules as the Markdown tables of docs/gate.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .rules import KedaRule, Oracle, Ours, OwnersRule
from .run import Rule, Score, replay

if TYPE_CHECKING:
    from .day import Day

HEAD = ("rule", "unsafe minutes", "useful minutes", "of the oracle's", "transitions", "least free MiB")


def scores(day: Day) -> list[Score]:
    """Return the scores of all rules on one day, the oracle's last."""
    rules: list[Rule] = [
        Ours(day),
        Ours(day, "the gate, guard level close to the floor", day.own.guard_mib),
        OwnersRule(day),
        KedaRule(day),
        Oracle(day),
    ]
    return [replay(day, rule) for rule in rules]


def row(score: Score, best: Score) -> str:
    """Return one line of a table; ``best`` is the oracle's score."""
    share = f"{score.useful_minutes / best.useful_minutes:.0%}" if best.useful_minutes else "-"
    minutes = f"{score.useful_minutes:.0f}"
    cells = (score.rule, score.unsafe_minutes, minutes, share, score.transitions, score.worst_free_mib)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def table(day: Day) -> str:
    """Return the results of one day."""
    found = scores(day)
    head = [f"### {day.name[0].upper()}{day.name[1:]}", "", f"{day.says[0].upper()}{day.says[1:]}.", ""]
    head += [f"| {' | '.join(HEAD)} |", f"|---|{'---:|' * (len(HEAD) - 1)}"]
    return "\n".join([*head, *(row(score, found[-1]) for score in found), ""])
