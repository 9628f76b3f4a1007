"""What the gate keeps between looks, against a real socket that answers as the API server does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_json import dump
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_state import State, TenantState
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.kube import Account, Kube
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.memory import Memory
from tests.fakes.http import Answer, Request, Server

IDLE = State({"tts": TenantState(target=1, seen_at=100.0, idle_since=50.0)})


@dataclass
class ConfigMap:
    """The gate's object; it takes merge patches."""

    data: dict[str, str] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        if request.method == "PATCH":
            self.data.update(json.loads(request.body)["data"])
        return Answer(200, {"metadata": {"name": "state", "resourceVersion": "1"}, "data": self.data})


Build = Callable[..., Memory]


@pytest.fixture
def kept() -> ConfigMap:
    return ConfigMap()


@pytest.fixture
def memory(kept: ConfigMap, tmp_path: Path) -> Iterator[Build]:
    token = tmp_path / "token"
    token.write_text("token")
    with Server(kept) as server:
        account = Account(f"http://127.0.0.1:{server.port}", str(token), None)

        def build(**settings: Any) -> Memory:
            return Memory(Kube(account, timeout=5, pause=lambda _seconds: None), "gate", "state", **settings)

        yield build


def test_what_is_kept_is_recalled(memory: Build) -> None:
    one = memory()
    one.recall()
    one.save(IDLE, "plan", {})
    found = memory().recall()
    assert (found.state, found.policy, found.changes, found.problem) == (IDLE, "plan", {}, None)


def test_nothing_kept_is_no_problem(memory: Build) -> None:
    found = memory().recall()
    assert (found.state, found.problem) == (None, None)


@pytest.mark.parametrize(
    "text",
    ["{}", "[", "[" * 100_000, json.dumps({**dump(IDLE), "held_since": {}})],
    ids=["empty", "no_json", "too_deep", "of_another_version"],
)
def test_what_no_gate_wrote_is_told(memory: Build, kept: ConfigMap, text: str) -> None:
    kept.data = {"state": text, "policy": "plan"}
    found = memory().recall()
    assert (found.state, found.policy) == (None, "plan")
    assert str(found.problem).startswith("ConfigMap gate/state holds what no gate wrote: ")


@pytest.mark.parametrize("every_look", [False, True])
def test_a_gate_that_looks_once_keeps_what_every_look_renews(memory: Build, every_look: bool) -> None:
    """Else an idle grace, and the grace while blind, would begin anew with each Job."""
    one = memory(every_look=every_look)
    one.recall()
    one.save(IDLE, "plan", {})
    assert not one.worth_saving(IDLE, "plan")
    later = State({"tts": TenantState(target=1, seen_at=105.0, idle_since=50.0)})
    assert one.worth_saving(later, "plan") == every_look
    left = State({"tts": TenantState(target=0, changed_at=105.0, seen_at=105.0, idle_since=50.0)})
    assert one.worth_saving(left, "plan")
