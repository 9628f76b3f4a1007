"""What the documentation says is what the files say."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.docs.faults import PAGE, cases, faults_page
from dev.docs.roles import BEGIN, END, DocsError, updated
from dev.setup.common import ROOT
from tests.unit.role_specs import ROLES


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_readme_is_up_to_date(role: Path) -> None:
    readme = role / "README.md"
    assert readme.is_file(), "run `make docs`"
    assert readme.read_text() == updated(role), "run `make docs`"


def test_the_page_of_faults_is_up_to_date() -> None:
    assert PAGE.read_text() == faults_page(), "run `make docs`"


def test_the_page_of_faults_names_each_once_and_many() -> None:
    names = [case.fault for case in cases()]
    assert len(names) >= 100
    assert [name for name in set(names) if names.count(name) > 1] == []


def test_action_groups_name_every_module() -> None:
    groups = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]
    modules = {path.stem: path.read_text() for path in sorted((ROOT / "plugins" / "modules").glob("*.py"))}
    named = {group: [entry for entry in entries if isinstance(entry, str)] for group, entries in groups.items()}
    assert named["gpu"] == [name for name, text in modules.items() if "sharedgpu.voice._prometheus" in text]
    assert named["kube"] == [name for name, text in modules.items() if "kubernetes.core.k8s_auth_options" in text]
    assert sorted(named["gpu"] + named["kube"]) == list(modules)


def test_help_lists_every_command() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = {name for line in makefile.splitlines() if line.startswith(".PHONY:") for name in line.split()[1:]}
    told = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in told.splitlines() if line.startswith("  make ")} == commands


def test_readme_lists_every_role_and_playbook() -> None:
    readme = (ROOT / "README.md").read_text()
    playbooks = (ROOT / "playbooks").glob("*.yml")
    names = [*(role.name for role in ROLES), *(f"sharedgpu.voice.{playbook.stem}" for playbook in playbooks)]
    assert [name for name in names if f"`{name}`" not in readme] == []


def test_readme_shows_the_refusal_as_it_is() -> None:
    told = (ROOT / "tests" / "unit" / "plugins" / "module_utils" / "core" / "t4_unsafe.txt").read_text()
    verdict, card, checks = told.rstrip().split("\n\n")
    failed = [line for line in checks.splitlines() if line.startswith("FAIL")]
    assert "\n\n".join([verdict, card, "\n".join(failed)]) in (ROOT / "README.md").read_text()


def write_role(folder: Path, options: dict[str, Any], readme: str | None = None) -> Path:
    role = folder / "stt"
    (role / "meta").mkdir(parents=True)
    entry = {"short_description": "Deploy it", "description": ["Uses M(kubernetes.core.k8s)."], "options": options}
    (role / "meta" / "argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": {"main": entry}}))
    if readme is not None:
        (role / "README.md").write_text(readme)
    return role


def test_generated_part_follows_the_specs_and_keeps_the_rest(tmp_path: Path) -> None:
    options = {
        "stt_name": {"type": "str", "required": True, "description": "A name, see O(stt_mode=warm)."},
        "stt_mode": {"type": "str", "choices": ["warm", "gated"], "default": "warm", "description": "a|b."},
        "stt_hosts": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "description": ["One.", "Two."],
            "options": {"ip": {"type": "str", "required": True, "description": "Address."}},
        },
    }
    role = write_role(tmp_path, options, f"# stt\n\nBy hand.\n\n{BEGIN}\nold\n{END}\n\nBelow.\n")
    text = updated(role)
    assert text.startswith(f"# stt\n\nBy hand.\n\n{BEGIN}\n\nUses `kubernetes.core.k8s`.\n\n## Inputs\n")
    assert text.endswith(f"{END}\n\nBelow.\n")
    assert "| `stt_name` | str | required | A name, see `stt_mode=warm`. |\n" in text
    assert '| `stt_mode` | str | `"warm"` | a\\|b. One of `warm`, `gated`. |\n' in text
    assert (
        "| `stt_hosts` | list of dict | `[]` | One. Two. |\n| `stt_hosts[].ip` | str | required | Address. |\n" in text
    )
    assert "old" not in text
    (role / "README.md").write_text(text)
    assert updated(role) == text


def test_entry_points_with_the_same_inputs_share_one_table(tmp_path: Path) -> None:
    role = write_role(tmp_path, {"stt_name": {"type": "str", "required": True, "description": "A name."}})
    specs = role / "meta" / "argument_specs.yml"
    entries = yaml.safe_load(specs.read_text())["argument_specs"]
    specs.write_text(yaml.safe_dump({"argument_specs": entries | {"preflight": entries["main"]}}, sort_keys=False))
    text = updated(role)
    assert text.count("| `stt_name` |") == 1
    assert "## Inputs of `tasks_from: preflight`\n\nThose of `tasks_from: main`.\n" in text


def test_readme_without_its_marks_is_refused(tmp_path: Path) -> None:
    role = write_role(tmp_path, {}, "# stt\n")
    with pytest.raises(DocsError, match=r"README\.md: mark the place of the inputs"):
        updated(role)
