"""Every role documents exactly the inputs and the defaults that it has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.role_specs import ROLES, load, problems


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_specs_equal_defaults(role: Path) -> None:
    specs = load(role / "meta" / "argument_specs.yml").get("argument_specs", {})
    assert specs, "a role has a meta/argument_specs.yml"
    assert problems(role.name, specs, load(role / "defaults" / "main.yml")) == []


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_internal_variables_are_prefixed(role: Path) -> None:
    internal = load(role / "vars" / "main.yml")
    assert [name for name in internal if not name.startswith(f"__{role.name}_")] == []


GOOD: dict[str, Any] = {"type": "int", "default": 600, "description": "Seconds."}

BROKEN: list[tuple[dict[str, Any] | None, dict[str, Any], str]] = [
    (GOOD, {"stt_wait": 300}, "stt_wait states the default 600, defaults/main.yml says 300"),
    (GOOD | {"default": 1}, {"stt_wait": True}, "stt_wait states the default 1, defaults/main.yml says True"),
    (GOOD, {"stt_wait": "600"}, "stt_wait states the default 600, defaults/main.yml says '600'"),
    (GOOD | {"default": "600"}, {"stt_wait": "600"}, "stt_wait is of type int, its default '600' is not"),
    (GOOD | {"default": True}, {"stt_wait": True}, "stt_wait is of type int, its default True is not"),
    (GOOD, {}, "stt_wait has no entry in defaults/main.yml"),
    (None, {"stt_wait": 600}, "stt_wait has a default but no option"),
    (
        {"type": "int", "description": "Seconds."},
        {"stt_wait": 600},
        "stt_wait states no default, defaults/main.yml says 600",
    ),
    (GOOD | {"required": True}, {}, "stt_wait is required, so a default is never used"),
    (GOOD, {"stt_wait": "{{ x }}"}, "stt_wait has a templated default: argument_specs.yml must leave `default` out"),
    (
        {"type": "int", "description": "Seconds."},
        {"stt_wait": "{{ x }}"},
        'stt_wait has a templated default: the description needs a sentence that begins with "Default"',
    ),
    ({"default": 600, "description": "Seconds."}, {"stt_wait": 600}, "stt_wait has no known type (None)"),
    ({"type": "int", "default": 600}, {"stt_wait": 600}, "stt_wait has no description"),
    (GOOD | {"choices": [1, 2]}, {"stt_wait": 600}, "stt_wait has a default that is no choice: 600"),
    (
        {"type": "list", "default": [], "description": "Names."},
        {"stt_wait": []},
        "stt_wait is a list and does not say of what (elements)",
    ),
    (
        {"type": "dict", "default": {}, "description": "Two.", "options": {"one": {"description": "One."}}},
        {"stt_wait": {}},
        "stt_wait -> one has no known type (None)",
    ),
]


@pytest.mark.parametrize(("option", "defaults", "problem"), BROKEN)
def test_rules_find(option: dict[str, Any] | None, defaults: dict[str, Any], problem: str) -> None:
    options = {} if option is None else {"stt_wait": option}
    assert problem in problems("stt", {"main": {"options": options}}, defaults)


def test_rules_find_a_foreign_prefix() -> None:
    found = problems("tts", {"main": {"options": {"stt_wait": GOOD}}}, {"stt_wait": 600})
    assert found == ["stt_wait lacks the prefix tts_"]


def test_rules_accept() -> None:
    options = {
        "stt_wait": GOOD,
        "stt_name": {"type": "str", "required": True, "description": "A name."},
        "stt_port": {"type": "int", "description": ["The port.", "Default: that of the plan."]},
    }
    assert problems("stt", {"main": {"options": options}}, {"stt_wait": 600, "stt_port": "{{ plan.port }}"}) == []
