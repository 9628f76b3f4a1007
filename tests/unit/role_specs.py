"""The rules that tie a role's argument_specs.yml to its defaults/main.yml.

Ansible takes a role's defaults from defaults/main.yml and only shows those of argument_specs.yml; nothing but these
rules keeps the two alike:

- every option that is not required has a default in both, and they are equal in value and type;
- a required option has none in either;
- a default that is a Jinja expression is known only at run time: argument_specs.yml leaves `default` out, and the
  description says what it is, in a sentence that begins with "Default";
- every option has a type that its default is of, a description, and the role's prefix; a list says of what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dev.setup.common import ROOT

ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "dict": (dict,),
    "float": (int, float),
    "int": (int,),
    "list": (list,),
    "path": (str,),
    "raw": (object,),
    "str": (str,),
}
MISSING = object()


def load(path: Path) -> Any:
    """Return what a YAML file says; a file that is not there says nothing."""
    return (yaml.safe_load(path.read_text()) if path.is_file() else None) or {}


def problems(role: str, specs: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[str]:
    """Return a sentence for every broken rule of a role, given its two files."""
    options: dict[str, Any] = {}
    for entry in specs.values():
        options |= entry.get("options") or {}
    found = [f"{name} has a default but no option" for name in defaults if name not in options]
    for name, option in options.items():
        if not name.startswith(f"{role}_"):
            found.append(f"{name} lacks the prefix {role}_")
        found += [f"{name} {problem}" for problem in of_option(option, defaults.get(name, MISSING))]
    return found


def of_option(option: Mapping[str, Any], default: Any) -> Iterator[str]:
    yield from of_shape(option)
    stated = option.get("default", MISSING)
    if option.get("required"):
        if default is not MISSING or stated is not MISSING:
            yield "is required, so a default is never used"
    elif default is MISSING:
        yield "has no entry in defaults/main.yml"
    elif templated(default):
        if stated is not MISSING:
            yield "has a templated default: argument_specs.yml must leave `default` out"
        if not any(sentence.startswith("Default") for sentence in sentences(option)):
            yield 'has a templated default: the description needs a sentence that begins with "Default"'
    elif stated is MISSING:
        yield f"states no default, defaults/main.yml says {default!r}"
    elif not same(stated, default):
        yield f"states the default {stated!r}, defaults/main.yml says {default!r}"


def of_shape(option: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with an option or a suboption by itself."""
    kind = option.get("type")
    if kind not in TYPES:
        yield f"has no known type ({kind!r})"
        return
    if not option.get("description"):
        yield "has no description"
    if kind == "list" and option.get("elements") not in TYPES:
        yield "is a list and does not say of what (elements)"
    stated = option.get("default")
    if stated is not None and not of_type(stated, kind):
        yield f"is of type {kind}, its default {stated!r} is not"
    if stated is not None and "choices" in option and stated not in option["choices"]:
        yield f"has a default that is no choice: {stated!r}"
    for name, suboption in (option.get("options") or {}).items():
        yield from (f"-> {name} {problem}" for problem in of_shape(suboption))


def of_type(value: Any, kind: str) -> bool:
    # bool is a subclass of int in Python, and 1 is no truth in YAML.
    return isinstance(value, TYPES[kind]) and (kind in ("bool", "raw") or not isinstance(value, bool))


def templated(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(templated, value.values()))
    if isinstance(value, list):
        return any(map(templated, value))
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def same(one: Any, other: Any) -> bool:
    """Compare like YAML, not like Python, for which true is 1 and 1 is 1.0."""
    return repr(one) == repr(other)


def sentences(option: Mapping[str, Any]) -> list[str]:
    text = option.get("description") or []
    paragraphs = [text] if isinstance(text, str) else text
    return [sentence.strip() for paragraph in paragraphs for sentence in paragraph.replace("\n", " ").split(". ")]
