"""Whole looks of the gate's program: how long they take when others fail, and what they leave alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from threading import Event

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.gate import kube
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.__main__ import once
from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, reply
from tests.unit.plugins.module_utils.gate.world import DAY, World, looked, overloaded, world

#: what a look may take beside what the test has it wait for; a busy machine is slow
SOON = 1.5


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[[int], World]]:
    with ExitStack() as stack:

        def built(count: int) -> World:
            found: AbstractContextManager[World] = world(tmp_path, count)
            return stack.enter_context(found)

        yield built


def test_demand_servers_that_hang_blind_nobody_and_delay_no_yield(build: Callable[[int], World]) -> None:
    hangs = False

    def queue(peer: Peer) -> None:
        while True:
            peer.request()
            if hangs:
                peer.hang()
            peer.send(reply({"waiting": 3}))

    with ExitStack() as stack:
        queues = [stack.enter_context(FaultServer(queue)) for _ in range(4)]
        found = build(4)
        asked = {f"t{at}": {"demand": {"url": one.url, "path": "waiting"}} for at, one in enumerate(queues)}
        found.policy(found.plan(**asked))
        gate = found.running()
        hangs = True
        for _ in range(3):
            took, reasons = looked(gate)
            assert took < SOON
            assert reasons == ["RUNNING"] * 4
        found.used[1] += 13 << 10
        took, reasons = looked(gate)
        assert took < SOON
        assert reasons == ["RUNNING", "GUARD_YIELD", "RUNNING", "RUNNING"]
        assert found.api.replicas["t1"] == 0
    assert found.errors("demand_timeout") == 16


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> float:
    """Let an answer that says no take as long as a look may lose with them, and return that."""
    monkeypatch.setattr(kube, "PATIENCE", 0.3)
    return 0.3


@pytest.mark.parametrize("code", ["pods", "scale"])
def test_a_look_is_short_however_many_namespaces_are_overloaded(
    build: Callable[[int], World], short: float, code: str
) -> None:
    found = build(20)
    found.api.fault = overloaded(short, f"GET .*/{code}$")
    gate = found.gate()
    assert looked(gate)[0] < short + SOON
    assert len(found.asked(f"{code}$")) == 1
    assert (found.errors("503"), found.errors("overloaded")) == (1, 1)
    assert found.errors("blind_stale") == 0
    assert not gate.failed


def test_an_overloaded_api_server_is_told_to_take_everybody_off(build: Callable[[int], World], short: float) -> None:
    found = build(3)
    gate = found.running()
    found.used[:] = [14 << 10] * 3
    found.api.fault = overloaded(short, "GET|POST|configmaps")
    assert looked(gate)[1] == ["GUARD_YIELD"] * 3
    assert set(found.api.replicas.values()) == {0}
    found.api.fault = lambda _request: None
    looked(gate)
    told = [event["reason"] for event in found.api.events]
    assert sorted(told) == ["ADMITTED"] * 3 + ["GUARD_YIELD"] * 3, "each once"


def test_a_change_that_fails_slowly_is_tried_once_and_then_others_first(
    build: Callable[[int], World], short: float
) -> None:
    found = build(3)
    gate = found.running()
    found.used[:] = [14 << 10] * 3
    found.api.fault = overloaded(short)
    tried = []
    for _ in range(3):
        found.asked()
        assert looked(gate)[0] < 2 * short + SOON
        (one,) = found.asked("PATCH.*/scale")
        tried.append(one.split("/")[5])
    assert tried == ["t0", "t1", "t2"]
    found.api.fault = overloaded(short, "/t0/|/gate/")
    for _ in range(2):
        assert looked(gate)[1] == ["GUARD_YIELD", "GUARD_YIELD", "GUARD_YIELD"]
    assert found.api.replicas == {"t0": 1, "t1": 0, "t2": 0}


def test_a_namespace_that_fails_slowly_keeps_nobody_waiting_twice(build: Callable[[int], World], short: float) -> None:
    found = build(3)
    gate = found.running()
    found.api.fault = overloaded(short)
    for _ in range(3):
        assert looked(gate)[1] == ["TARGET_UNKNOWN"] * 3
    found.api.fault = overloaded(short, "/t0/pods|/t0/events")
    assert looked(gate)[1] == ["TARGET_UNKNOWN"] * 3
    assert looked(gate)[1] == ["TARGET_UNKNOWN", "RUNNING", "RUNNING"]
    found.used[1:] = [14 << 10] * 2
    assert looked(gate)[1] == ["TARGET_UNKNOWN", "GUARD_YIELD", "GUARD_YIELD"]
    assert found.api.replicas == {"t0": 1, "t1": 0, "t2": 0}


def test_a_look_without_any_policy_is_completed_and_told(build: Callable[[int], World]) -> None:
    found = build(1)
    found.api.data = {"policy": json.dumps({"tenants": "x"})}
    found.policy({"nonsense": 1})
    gate = found.gate()
    for _ in range(2):
        assert looked(gate)[1] == []
        assert not gate.failed
    assert (found.errors("state_unreadable"), found.errors("internal")) == (1, 0)
    (event,) = found.api.events
    assert event["reason"] == "POLICY_REFUSED"
    assert "nonsense" in event["note"]
    found.policy(found.plan())
    assert looked(gate)[1] == ["ADMITTED"]


def test_a_dry_run_on_the_state_of_a_real_gate_writes_nothing(build: Callable[[int], World]) -> None:
    found = build(1)
    found.running()
    found.api.replicas["t0"] = 1
    found.asked()
    gate = found.gate("--dry-run")
    assert looked(gate)[1] == ["RUNNING"]
    found.policy({"nonsense": 1})
    found.used[0] = 14 << 10
    assert looked(gate)[1] == ["GUARD_YIELD"]
    assert found.asked("^(?!GET )") == []


def test_the_gate_after_a_dry_run_tells_what_a_former_one_could_not(build: Callable[[int], World]) -> None:
    found = build(1)
    found.api.fault = overloaded(0, "POST")
    looked(found.gate())
    found.api.fault = lambda _request: None
    looked(found.gate("--dry-run"))
    assert found.api.events == []
    looked(found.gate())
    assert [event["reason"] for event in found.api.events] == ["ADMITTED"]


@pytest.mark.parametrize("clock", ["23:59:58.5", "23:57:00"])
def test_a_job_waits_for_an_end_that_its_clock_has_still_to_come_to(build: Callable[[int], World], clock: str) -> None:
    found = build(1)
    plan = found.plan()
    plan["tenants"][0]["windows"] = [{**DAY, "start": "23:00", "end": "24:00"}]
    found.policy(plan)
    assert looked(found.gate(clock=f"2026-11-20T{clock}+00:00"))[1] == ["ADMITTED"]
    job = found.gate("--once", clock=f"2026-11-20T{clock}+00:00")
    assert once(job, Event(), 20) == 0
    assert found.api.replicas["t0"] == int(clock == "23:57:00"), "taken off at an end, left alone before"
