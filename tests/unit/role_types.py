"""The rule that ties a role's argument_specs.yml to its expressions: a bool or an int is used as one.

Ansible checks a value against its type and leaves it as it was given. Who writes `-e name=false`, or `name=5` in an
INI inventory, gives text, and the text false is true. So wherever a value decides or counts, `| bool` or `| int` makes
it what it was declared. Shown within other text, it may stay as it was written.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, nodes

from tests.unit.role_specs import load

#: fields of tasks that are expressions without braces
BARE = frozenset({"changed_when", "failed_when", "that", "until", "when"})
GUARDED = ("bool", "int")
_JINJA = Environment(autoescape=False, extensions=["jinja2.ext.do"])


def typed(roles: list[Path]) -> dict[str, str]:
    """Return the variables of the roles that are a bool or an int, with their type."""
    specs = [load(role / "meta" / "argument_specs.yml")["argument_specs"] for role in roles]
    entries = [entry for spec in specs for entry in spec.values()]
    options = [option for entry in entries for option in (entry.get("options") or {}).items()]
    return {name: option["type"] for name, option in options if option["type"] in GUARDED}


def unguarded(path: Path, types: Mapping[str, str]) -> list[str]:
    """Return a sentence for every use in a file that takes what was written for what was declared."""
    texts = [path.read_text(encoding="utf-8")] if path.suffix == ".j2" else expressions(load(path))
    found = [name for text in texts for name in _uses(text, types)]
    return [f"{path.parents[1].name}/{path.name}: {name} lacks `| {types[name]}`" for name in found]


def expressions(value: Any, *, bare: bool = False) -> Iterator[str]:
    """Yield what Jinja would read of a YAML file."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from expressions(item, bare=key in BARE)
    elif isinstance(value, list):
        for item in value:
            yield from expressions(item, bare=bare)
    elif isinstance(value, str) and ("{{" in value or "{%" in value):
        yield value
    elif isinstance(value, str) and bare:
        yield f"{{{{ {value} }}}}"


def _uses(text: str, types: Mapping[str, str]) -> Iterator[str]:
    parents: dict[nodes.Node, nodes.Node] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # backslashes of regular expressions, which Ansible keeps
        todo: list[nodes.Node] = [_JINJA.parse(text)]
    while todo:
        node = todo.pop()
        for child in node.iter_child_nodes():
            parents[child] = node
            todo.append(child)
        if isinstance(node, nodes.Name) and node.name in types and not _harmless(node, types[node.name], parents):
            yield node.name


def _harmless(name: nodes.Name, kind: str, parents: Mapping[nodes.Node, nodes.Node]) -> bool:
    parent = parents[name]
    if isinstance(parent, nodes.Filter) and parent.name == "default":
        parent = parents[parent]
    if isinstance(parent, nodes.Filter):
        return parent.name == kind
    # Beside text it becomes text itself; alone it would be passed on as it was given.
    return isinstance(parent, nodes.Output) and len(parent.nodes) > 1
