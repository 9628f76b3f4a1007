"""The generated part of a role's README: what it does and its inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from .markup import code, markdown

BEGIN = "<!-- written by `make docs` from meta/argument_specs.yml: change it there -->"
END = "<!-- end of what `make docs` writes -->"


class DocsError(Exception):
    """What is wrong with a README, and what to do."""


def updated(role: Path) -> str:
    """Return the README of a role with its generated part anew."""
    readme = role / "README.md"
    text = readme.read_text() if readme.is_file() else f"# {role.name}\n\n{BEGIN}\n{END}\n"
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise DocsError(f"{readme}: mark the place of the inputs with one line {BEGIN!r} and one line {END!r}")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n{generated(role)}\n{END}{after}"


def generated(role: Path) -> str:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return "\n".join(line for name in specs for line in section(name, specs))


def section(name: str, specs: Mapping[str, Any]) -> Iterator[str]:
    """Yield an entry point: its description, and a table of its inputs unless an earlier one takes the same."""
    entry = specs[name]
    first = next(other for other in specs if specs[other].get("options") == entry.get("options"))
    title = "Inputs" if len(specs) == 1 else f"Inputs of `tasks_from: {name}`"
    yield from (markdown(entry.get("description", entry["short_description"])), "", f"## {title}", "")
    if first != name:
        yield from (f"Those of `tasks_from: {first}`.", "")
        return
    yield from ("| Variable | Type | Default | Meaning |", "| --- | --- | --- | --- |")
    for option, spec in (entry.get("options") or {}).items():
        yield from rows(option, spec)
    yield ""


def rows(name: str, spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the row of an option, and of each option inside it."""
    meaning = markdown(spec["description"], separator=" ")
    if "choices" in spec:
        meaning += f" One of {', '.join(code(str(choice)) for choice in spec['choices'])}."
    yield f"| {code(name)} | {kind(spec)} | {default(spec)} | {meaning} |"
    for suboption, inner in (spec.get("options") or {}).items():
        yield from rows(f"{name}{'[]' if spec['type'] == 'list' else ''}.{suboption}", inner)


def kind(spec: Mapping[str, Any]) -> str:
    return f"list of {spec['elements']}" if spec["type"] == "list" else str(spec["type"])


def default(spec: Mapping[str, Any]) -> str:
    if spec.get("required"):
        return "required"
    return code(json.dumps(spec["default"], ensure_ascii=False)) if "default" in spec else ""
