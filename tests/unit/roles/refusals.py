"""Runs a role once for each set of variables that it must refuse, all in one playbook, and returns what it said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
SAID = "{{ ansible_failed_result.msg }}"


@dataclass(frozen=True)
class Refusal:
    """Variables that are wrong, and words of the message that must name the variable, the value and what to do."""

    name: str
    variables: dict[str, object]
    words: tuple[str, ...]


def messages(role: str, good: dict[str, object], refusals: list[Refusal], workdir: Path) -> dict[str, str]:
    """Return the role's message by the refusal's name; no cluster can be reached."""
    plays: list[dict[str, object]] = [
        {
            "name": "Apply the role and keep what it says",
            "hosts": "localhost",
            "gather_facts": False,
            "vars": good | refusal.variables,
            "tasks": [
                {
                    "name": "Apply the role",
                    "block": [{"name": "Apply", "ansible.builtin.include_role": {"name": f"sharedgpu.voice.{role}"}}],
                    "rescue": [{"name": "Keep", "ansible.builtin.set_fact": {f"said_{number}": SAID}}],
                }
            ],
        }
        for number, refusal in enumerate(refusals)
    ]
    # One module for all: a module costs as much time as the role's whole pre-flight.
    answers = {refusal.name: f"{{{{ said_{number} }}}}" for number, refusal in enumerate(refusals)}
    write = {"content": answers, "dest": str(workdir / "answers"), "mode": "0600"}
    tasks = [{"name": "Write the answers", "ansible.builtin.copy": write}]
    plays.append({"name": "Write", "hosts": "localhost", "gather_facts": False, "tasks": tasks})
    playbook = workdir / "playbook.yml"
    playbook.write_text(json.dumps(plays))
    environment = os.environ | {
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "KUBECONFIG": os.devnull,
        "K8S_AUTH_HOST": "https://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "ansible", "playbook", str(playbook)]
    # Not below pytest's folder: ansible-core 2.21 listens on a socket in TMPDIR, of at most 107 characters.
    with tempfile.TemporaryDirectory() as tmp:
        result = subprocess.run(
            command, env=environment | {"TMPDIR": tmp}, capture_output=True, text=True, timeout=280, check=False
        )
    assert result.returncode == 0, result.stdout + result.stderr
    said: dict[str, str] = json.loads((workdir / "answers").read_text())
    return {name: " ".join(text.split()) for name, text in said.items()}
