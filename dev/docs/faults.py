"""The generated part of docs/faults.md: what the gate survives, as the tests say it that try it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING

from dev.setup.common import ROOT

from .markup import code

if TYPE_CHECKING:
    from tests.integration.gating_cases import Case

PAGE = ROOT / "docs" / "faults.md"
BEGIN = "<!-- written by `make docs` from the tests: change it there -->"
END = "<!-- end of what `make docs` writes -->"
_HEAD = "| Fault | What the gate does | Reason | Error |\n| --- | --- | --- | --- |"


def faults_page() -> str:
    """Return the page with its generated part anew."""
    before, rest = PAGE.read_text().split(BEGIN)
    found = list(cases())
    return f"{before}{BEGIN}\n\n{_tables(found)}\n{END}{rest.split(END)[1]}"


def cases() -> Iterator[Case]:
    """Return the cases of all files, by the files' names."""
    collections = str(ROOT / ".collections")
    if collections not in sys.path:
        sys.path.insert(0, collections)  # `make docs` runs no pytest, which would have done it
    for path in sorted((ROOT / "tests" / "integration").glob("test_gate_faults_*.py")):
        yield from import_module(f"tests.integration.{path.stem}").CASES


def _tables(found: list[Case]) -> str:
    groups = dict.fromkeys(case.group for case in found)
    parts = [f"{len(found)} faults in {len(groups)} classes.\n"]
    for group in sorted(groups):
        rows = [_row(case) for case in found if case.group == group]
        parts.append("\n".join([f"## {group}", "", _HEAD, *rows, ""]))
    return "\n".join([*parts, _reasons(found)])


def _row(case: Case) -> str:
    reasons = ", ".join(map(code, case.reasons))
    errors = " / ".join(code(error) for error in case.error.split("|") if error)
    return f"| {_cell(case.fault)} | {_cell(case.does)} | {reasons} | {errors} |"


def _cell(text: str) -> str:
    return (text[0].upper() + text[1:]).replace("|", "\\|")


def _reasons(found: Iterable[Case]) -> str:
    sentences = import_module("ansible_collections.sharedgpu.voice.plugins.module_utils.core.reasons").SENTENCES
    used = sorted({reason for case in found for reason in case.reasons})
    rows = [f"| {code(reason)} | {sentences[reason]} |" for reason in used]
    return "\n".join(["## The reasons", "", "| Reason | What it says |", "| --- | --- |", *rows, ""])
