"""Demand from a real socket: a number, or a class of failure that leaves everybody else alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import Policy, parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.demand import Demand, number
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.prometheus import Prometheus
from tests import plans
from tests.unit.plugins.adapters.fault_server import FaultServer, Talk, always, reply
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


def looked(
    asked: Policy, prometheus: str = "", looks: int = 1
) -> tuple[dict[str, float | None], list[tuple[str, str]]]:
    """Return the last look, and what was reported."""
    errors: list[tuple[str, str]] = []
    port = Prometheus(prometheus, timeout=TIMEOUT, ca_path=None, token_path=None) if prometheus else None
    demand = Demand(port, TIMEOUT, lambda code, message, _about: errors.append((code, message)))
    return [demand.look(asked) for _ in range(looks)][-1], errors


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
def test_a_server_that_hangs_is_waited_for_once_in_a_look(by: str) -> None:
    with FaultServer(hang) as server:
        one = {"promql": "waiting"} if by == "promql" else {"url": f"{server.url}/queue", "path": "n"}
        found, errors = looked(policy(*[one] * 5), server.url, looks=2)
        assert set(found.values()) == {None}
        assert [code for code, _message in errors] == ["demand_timeout"] * 10
        assert len(server.requests) == 2, "one for each look"


def test_demand_by_promql_needs_a_prometheus() -> None:
    found, ((code, message),) = looked(policy({"promql": "sum(waiting)"}))
    assert (found, code) == ({"t0": None}, "demand_no_prometheus")
    assert "--prometheus" in message
