"""Whole looks of the gate's program: how long they take when others fail, and what they leave alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, reply
from tests.unit.plugins.module_utils.gate.world import World, looked, world

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
