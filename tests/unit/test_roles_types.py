"""Every bool and int of a role is used as one, however it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.setup.common import ROOT
from tests.unit.role_specs import ROLES
from tests.unit.role_types import typed, unguarded

FOLDERS = ("defaults", "tasks", "templates", "vars")
OF_ROLES = (path for role in ROLES for folder in FOLDERS for path in (role / folder).rglob("*") if path.is_file())
FILES = sorted([*OF_ROLES, *(ROOT / "playbooks").glob("*.yml")])


def test_no_text_passes_for_what_it_was_declared() -> None:
    types = typed(ROLES)
    assert types["gpu_namespace_purge_storage"] == "bool"
    assert [sentence for path in FILES for sentence in unguarded(path, types)] == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("when: not purge", True),
        ("when: not purge | bool", False),
        ("when: [a, purge]", True),
        ("vars: {keeps: '{{ kept and not purge }}'}", True),
        ("vars: {keeps: '{{ kept and not (purge | default(false) | bool) }}'}", False),
        ("vars: {passed_on: '{{ purge }}'}", True),
        ("vars: {passed_on: '{{ purge | bool }}'}", False),
        ("vars: {number: '{{ purge | int }}'}", True),
        ("debug: {msg: 'purge is {{ purge }}'}", False),
        ('debug: {msg: \'{{ "a" if purge else "b" }} is said\'}', True),
    ],
)
def test_the_rule_finds_each_kind_of_use(tmp_path: Path, line: str, wrong: bool) -> None:
    path = tmp_path / "main.yml"
    path.write_text(f"- {line}\n", encoding="utf-8")
    assert bool(unguarded(path, {"purge": "bool"})) == wrong


def test_the_rule_reads_templates(tmp_path: Path) -> None:
    path = tmp_path / "pod.yml.j2"
    path.write_text("{% if purge %}port: {{ port }}{% endif %}\n", encoding="utf-8")
    assert len(unguarded(path, {"purge": "bool", "port": "int"})) == 1
