"""Demand from a real socket: a number, or a class of failure that leaves everybody else alone."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import Policy, parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.demand import Demand, number
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.prometheus import Prometheus
from tests import plans
from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, Talk, always, reply
from tests.unit.plugins.module_utils.gate.test_transport import hang

TIMEOUT = 0.5


@pytest.mark.parametrize(
    ("value", "path", "count"),
    [({"queue": {"waiting": 3}}, "queue.waiting", 3), ([{"n": 0}], "0.n", 0), ({"a": 2.5}, "a", 2.5)],
)
def test_demand_is_the_number_at_a_path(value: Any, path: str, count: float) -> None:
    assert number(value, path) == count


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"queue": "3"}, "queue"),
        ({"queue": None}, "queue"),
        ({"queue": True}, "queue"),
        ({"queue": -1}, "queue"),
        ({"queue": float("nan")}, "queue"),
        ({"queue": []}, "queue.0"),
        ({"queue": "abc"}, "queue.0"),
        ({}, "queue"),
        ("text", "queue"),
        ([1], "-1"),
    ],
)
def test_what_is_no_count_is_not_zero(value: Any, path: str) -> None:
    with pytest.raises(ValueError, match=r"nothing at|no count"):
        number(value, path)


def policy(*demands: dict[str, str]) -> Policy:
    """Return a policy with a tenant for each of the demands; each is named by its number."""
    tenants = [
        plans.tts(name=f"t{at}", namespace=f"n{at}", peak="1Gi", floor="3Gi") for at, _demand in enumerate(demands)
    ]
    asked = {f"t{at}": {"demand": demand} for at, demand in enumerate(demands)}
    return parse_policy({"margin": "2Gi", "cards": plans.CARDS, "tenants": tenants, "gate": {"tenants": asked}})


def looked(asked: Policy, prometheus: str = "") -> tuple[dict[str, float | None], list[tuple[str, str]]]:
    """Return what a look brought, and what was reported."""
    errors: list[tuple[str, str]] = []
    port = Prometheus(prometheus, timeout=TIMEOUT, ca_path=None, token_path=None) if prometheus else None
    demand = Demand(port, TIMEOUT, lambda code, message, _about: errors.append((code, message)))
    return demand.look(asked), errors


@pytest.mark.parametrize(
    "body",
    [json.dumps({"n": 10**400}), "[" * 100_000, '{"n": 1e999}', "<html>", '{"n": {"n": 1}}', ""],
    ids=["no_float", "too_deep", "infinite", "html", "mapping", "empty"],
)
def test_one_odd_answer_is_that_tenants_own_matter(body: str) -> None:
    with FaultServer(always(reply(body))) as odd, FaultServer(always(reply({"n": 3}))) as good:
        asked = policy({"url": f"{odd.url}/", "path": "n"}, {"url": f"{good.url}/", "path": "n"})
        found, errors = looked(asked)
    assert found == {"t0": None, "t1": 3}
    assert [(code, message[:14]) for code, message in errors] == [("demand_unparseable", "demand for t0:")]


def vector(*values: str) -> Talk:
    samples = [{"metric": {"queue": str(at)}, "value": [1, value]} for at, value in enumerate(values)]
    return always(reply({"status": "success", "data": {"resultType": "vector", "result": samples}}))


@pytest.mark.parametrize(
    ("values", "count", "words"),
    [
        (("7",), 7, ""),
        (("0", "7"), None, "2 series answer waiting; ask for one number"),
        ((), None, "there is nothing"),
        (("NaN",), None, "is no count"),
    ],
)
def test_an_expression_is_one_number_or_none(values: tuple[str, ...], count: float | None, words: str) -> None:
    with FaultServer(vector(*values)) as server:
        found, errors = looked(policy({"promql": "waiting"}), server.url)
    assert found == {"t0": count}
    assert [words in message for _code, message in errors] == [True] * bool(words)


@pytest.mark.parametrize("by", ["url", "promql"])
def test_a_server_that_hangs_is_asked_once_for_all(by: str) -> None:
    with FaultServer(hang) as server:
        # Another path each, so that these are five questions.
        several = [
            {"promql": f"waiting + {at}"} if by == "promql" else {"url": f"{server.url}/{at}", "path": "n"}
            for at in range(5)
        ]
        found, errors = looked(policy(*several), server.url)
        assert set(found.values()) == {None}
        assert [code for code, _message in errors] == ["demand_timeout"] * 5
        time.sleep(0.2)  # until the first of them has failed
        assert len(server.requests) == 1


def test_servers_that_hang_are_waited_for_together_and_only_once() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(FaultServer(hang)) for _ in range(4)]
        asked = policy(*({"url": one.url, "path": "n"} for one in servers))
        demand = Demand(None, 5, lambda *_error: None, patience=0.3)
        took = []
        for _ in range(3):
            began = time.monotonic()
            assert set(demand.look(asked).values()) == {None}
            took.append(time.monotonic() - began)
        assert 0.3 <= took[0] < 1
        assert max(took[1:]) < 0.2


def test_a_late_answer_counts_at_the_next_look_until_the_server_is_fast_again() -> None:
    answers = iter(range(1, 9))
    delay = 0.4

    def slow(peer: Peer) -> None:
        while True:
            peer.request()
            time.sleep(delay)
            peer.send(reply({"n": next(answers)}))

    with FaultServer(slow) as server:
        asked = policy({"url": server.url, "path": "n"})
        demand = Demand(None, 5, lambda *_error: None, patience=0.2)

        def look() -> float | None:
            found = demand.look(asked)["t0"]
            time.sleep(0.6)
            return found

        assert [look(), look(), look()] == [None, 1, 2], "asked at one look, used at the next"
        delay = 0
        assert [look(), look(), look()] == [3, 5, 6], "that of the look itself, once it came in time"


def test_a_late_answer_that_is_old_is_none() -> None:
    def slow(peer: Peer) -> None:
        peer.request()
        time.sleep(0.3)
        peer.send(reply({"n": 3}))

    with FaultServer(slow) as server:
        asked = policy({"url": server.url, "path": "n"})
        asked = replace(asked, gate=replace(asked.gate, max_age=1))
        demand = Demand(None, 5, lambda *_error: None, patience=0.1)
        assert demand.look(asked) == {"t0": None}
        time.sleep(1.5)
        assert demand.look(asked) == {"t0": None}


def test_demand_by_promql_needs_a_prometheus() -> None:
    found, ((code, message),) = looked(policy({"promql": "sum(waiting)"}))
    assert (found, code) == ({"t0": None}, "demand_no_prometheus")
    assert "--prometheus" in message
