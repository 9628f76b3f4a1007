"""What a plan refuses, with place, value and remedy, and who claims which pods."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import Plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.matching import owner
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from tests.unit.plugins.module_utils.core.t4 import PLAN, plan, with_tenant

GIB = 1 << 30


def tenant(name: str, namespace: str = "shared", mode: str = "warm", **more: Any) -> dict[str, Any]:
    return {"name": name, "mode": mode, "peak": "1Gi", "namespace": namespace, **more}


def target(name: str) -> dict[str, str]:
    return {"kind": "Deployment", "name": name}


def tenants(*declared: dict[str, Any], **more: Any) -> Plan:
    return parse_plan({"tenants": list(declared), **more})


def refusal(value: Any) -> InputError | None:
    """Return what a plan is refused with, None where it is read; any other end fails the test."""
    try:
        parse_plan(value)
    except InputError as error:
        return error
    return None


def test_plan_of_the_t4_is_read() -> None:
    parsed = parse_plan(PLAN)
    assert parsed.margin_bytes == 2 * GIB
    assert (parsed.cards[0].name, parsed.cards[0].node, parsed.cards[0].total_bytes) == ("t4", "gpu-1", 15 * GIB)
    tts = parsed.tenant("tts")
    assert (tts.mode, tts.peak_bytes, tts.floor_bytes, tts.may_yield) == ("gated", 4 * GIB, 6 * GIB, True)
    assert tts.target
    assert tts.target.name == "chatterbox-tts"


def test_plan_is_not_changed_by_reading_it() -> None:
    before = deepcopy(PLAN)
    parse_plan(PLAN)
    assert before == PLAN


def test_defaults() -> None:
    parsed = tenants(tenant("a"), cards=[{"name": "t4"}])
    assert parsed.margin_bytes == 2 * GIB
    assert parsed.tenants[0].card == "t4"
    assert parsed.cards[0].total_bytes is None
    assert parse_plan({"margin": 0}).margin_bytes == 0


def test_cards_and_tenants_may_be_called_what_a_label_may_be() -> None:
    parsed = parse_plan({"cards": [{"name": "RTX_3090.1"}], "tenants": [tenant("Immich_ml")]})
    assert (parsed.cards[0].name, parsed.tenants[0].name) == ("RTX_3090.1", "Immich_ml")


GATED = tenant("g", mode="gated", target=target("g"))
BAD: list[tuple[Any, str, str, str]] = [
    (None, "vram_plan", "is not a mapping", "write the keys"),
    ([], "vram_plan", "is not a mapping", "write the keys"),
    ({"tenant": []}, "vram_plan", "'tenant' is no known key", "known here: prometheus_url"),
    ({"margin": "6GB"}, "vram_plan.margin", "'6GB' is not a size", "6Gi"),
    ({"margin": "6 GiB"}, "vram_plan.margin", "'6 GiB' is not a size", "6Gi"),
    ({"margin": 2}, "vram_plan.margin", "2 is less than 1 MiB", "give the unit"),
    ({"cards": "t4"}, "vram_plan.cards", "'t4' is not a list", "write a list"),
    ({"cards": {"name": "t4"}}, "vram_plan.cards", "is not a list", "write a list"),
    ({"cards": ["t4"]}, "vram_plan.cards[0]", "'t4' is not a mapping", "name, node"),
    ({"cards": [{}]}, "vram_plan.cards[0].name", "is missing", "name the card"),
    ({"cards": [{"name": "T 4"}]}, "vram_plan.cards[0].name", "'T 4' is not a name", "a-z"),
    ({"tenants": [tenant("_a")]}, "vram_plan.tenants[0].name", "'_a' is not a name", "beginning and ending"),
    ({"tenants": [tenant("a", "Ns")]}, "vram_plan.tenants[0].namespace", "'Ns' is not a name", "a-z"),
    ({"cards": [{"name": "t4", "size": 1}]}, "vram_plan.cards[0]", "'size' is no known key", "total"),
    ({"cards": [{"name": "t4", "total": 15360}]}, "vram_plan.cards[0].total", "less than 1 MiB", "bytes"),
    ({"cards": [{"name": "t4", "total": "512Mi"}]}, "vram_plan.cards[0].total", "is no card's memory", "1Gi and 1Ti"),
    ({"cards": [{"name": "t4", "total": "2Ti"}]}, "vram_plan.cards[0].total", "is no card's memory", "1Gi and 1Ti"),
    ({"cards": [{"name": "t4", "node": ""}]}, "vram_plan.cards[0].node", "is not a text", "leave it out"),
    ({"cards": [{"name": "t4", "node": 7}]}, "vram_plan.cards[0].node", "7 is not a text", "leave it out"),
    ({"cards": [{"name": "a"}, {"name": "a"}]}, "vram_plan.cards", "'a' is declared twice", "a name of its own"),
    (
        {"cards": [{"name": "a", "uuid": "GPU-Ab"}, {"name": "b", "uuid": "ab"}]},
        "vram_plan.cards",
        "'ab' is declared twice",
        "declare each card once",
    ),
    ({"tenants": [tenant("a", floor="1Gi")]}, "vram_plan.tenants[0].floor", "does not go with mode warm", "gated"),
    (
        {"tenants": [tenant("a", mode="hot")]},
        "vram_plan.tenants[0].mode",
        "'hot' is not known",
        "warm, on_demand, gated",
    ),
    ({"tenants": [{**tenant("a"), "peak": None}]}, "vram_plan.tenants[0].peak", "is missing", "1536Mi"),
    ({"tenants": [{**tenant("a"), "peak": "6GB"}]}, "vram_plan.tenants[0].peak", "'6GB' is not a size", "6Gi"),
    ({"tenants": [{**tenant("a"), "peak": True}]}, "vram_plan.tenants[0].peak", "True is not a size", "6Gi"),
    ({"tenants": [{**GATED, "floor": "-1Gi"}]}, "vram_plan.tenants[0].floor", "'-1Gi' is below zero", "6Gi"),
    ({"tenants": [{**GATED, "floor": -1}]}, "vram_plan.tenants[0].floor", "-1 is below zero", "6Gi"),
    ({"tenants": [tenant("g", mode="gated")]}, "vram_plan.tenants[0].target", "is missing", "kind: Deployment"),
    ({"tenants": [{**GATED, "target": "g"}]}, "vram_plan.tenants[0].target", "'g' is not a mapping", "kind, name"),
    (
        {"tenants": [{**GATED, "target": {"kind": "Pod", "name": "g"}}]},
        "vram_plan.tenants[0].target.kind",
        "'Pod' is not known",
        "Deployment",
    ),
    ({"tenants": [{**GATED, "may_yield": "no"}]}, "vram_plan.tenants[0].may_yield", "'no' is not a boolean", "true"),
    (
        {"tenants": [{**GATED, "windows": [{"start": "25:00", "end": "06:00", "timezone": "Etc/UTC"}]}]},
        "vram_plan.tenants[0].windows[0].start",
        "'25:00' is no time of day",
        "write a time",
    ),
    ({"tenants": [{**GATED, "windows": ["02:00"]}]}, "vram_plan.tenants[0].windows[0]", "is not a mapping", "start"),
    (
        {"tenants": [{**GATED, "windows": [{"from": 1}]}]},
        "vram_plan.tenants[0].windows[0]",
        "'from' is no known",
        "start",
    ),
    ({"tenants": [tenant("a"), tenant("a", "b")]}, "vram_plan.tenants", "'a' is declared twice", "a name of its own"),
    ({"tenants": [tenant("a"), tenant("b")]}, "vram_plan.tenants", "is declared twice", "claim the same pods"),
    (
        {"tenants": [tenant("a", target=target("x")), tenant("b", target=target("x"))]},
        "vram_plan.tenants",
        "is declared twice",
        "claim the same pods",
    ),
    (
        {"tenants": [{**GATED, "pods": "a-.+"}, {**GATED, "name": "h", "pods": "b-.+"}]},
        "vram_plan.tenants",
        "is declared twice",
        "scale the same target",
    ),
    (
        {"cards": [{"name": "t4"}], "tenants": [tenant("a", card="l4")]},
        "vram_plan.tenants[0].card",
        "'l4' is not declared under cards",
        "declared: t4",
    ),
    (
        {"cards": [{"name": "t4"}, {"name": "l4"}], "tenants": [tenant("a", card="t4"), tenant("b", "c")]},
        "vram_plan.tenants[1].card",
        "is missing",
        "t4, l4",
    ),
    (
        {"cards": [{"name": "t4", "total": "15Gi"}], "tenants": [{**tenant("a"), "peak": "16Gi"}]},
        "vram_plan.tenants[0].peak",
        "'16Gi' is more than all of card t4 (15.00 GiB)",
        "correct the peak",
    ),
    ({"tenants": [tenant("a", pods="(")]}, "vram_plan.tenants[0].pods", "'(' is no regular expression", "speaches-.+"),
    (
        {"tenants": [tenant("a", pods="a{99999999999}")]},
        "vram_plan.tenants[0].pods",
        "is no regular expression",
        "such as",
    ),
    *(
        ({"tenants": [tenant("a", pods=pods)]}, "vram_plan.tenants[0].pods", "which Prometheus does not know", "RE2")
        for pods in ("(?=a)b", "(?!x).+", "(?<=a)b", "(?P<n>a)(?P=n)", r"(a)\1", r"a\Z", "a-.{,20}", "[[:alpha:]]+")
    ),
]


@pytest.mark.parametrize(("value", "where", "problem", "remedy"), BAD)
def test_bad_plan_is_refused_with_place_value_and_remedy(value: Any, where: str, problem: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_plan(value)
    message = str(caught.value)
    assert caught.value.where == where
    assert message.startswith(where)
    assert problem in message
    assert remedy in message.partition("; ")[2]


def test_the_place_begins_as_the_caller_says() -> None:
    with pytest.raises(InputError, match=r"^tenants\[0\]\.peak: '6GB' is not a size"):
        parse_plan({"tenants": [{**tenant("a"), "peak": "6GB"}]}, where="")


def test_an_unknown_tenant_lists_those_declared() -> None:
    with pytest.raises(InputError, match="'nobody' is not declared there; declared: stt, immich-ml"):
        parse_plan(PLAN).tenant("nobody")


@pytest.mark.parametrize(
    ("declared", "pods"),
    [
        ([tenant("a")], {"anything": "a"}),
        ([tenant("a", target=target("x"))], {"anything-at-all-1": "a"}),
        (
            [tenant("a", target=target("x")), tenant("b", target=target("y"))],
            {"x-7d9f-abcde": "a", "y-7d9f-abcde": "b", "z-7d9f-abcde": None, "x": None, "ax-7d9f-abcde": None},
        ),
        # A target's name that begins as another's is not the other's.
        (
            [tenant("a", target=target("tts")), tenant("b", target=target("tts-long"))],
            {"tts-7d9f-abcde": "a", "tts-long-7d9f-abcde": "b", "tts-other-7d9f-abcde": None},
        ),
        ([tenant("a", pods="x-.+"), tenant("rest")], {"x-1": "a", "y-1": "rest", "ax-1": "rest"}),
        ([tenant("rest"), tenant("a", pods="x-.+")], {"x-1": "a", "y-1": "rest"}),
        ([tenant("a", pods="x|y"), tenant("rest")], {"x": "a", "y": "a", "xy": "rest", "ay": "rest"}),
        # The first claim that covers a pod has it.
        ([tenant("a", pods="x.+"), tenant("b", pods="x-b.+")], {"x-b-1": "a"}),
    ],
)
def test_who_owns_a_pod_of_a_namespace(declared: list[dict[str, Any]], pods: dict[str, str | None]) -> None:
    claims = tenants(*declared).claims()
    assert {pod: owner(claims, "shared", pod) for pod in pods} == pods
    assert all(owner(claims, "elsewhere", pod) is None for pod in pods)


@pytest.mark.parametrize("nobody", ["unknown", "host", ""])
def test_nobody_owns_what_the_exporter_cannot_name(nobody: str) -> None:
    claims = tenants(tenant("a", "unknown"), tenant("b", "host"), tenant("c", "real")).claims()
    assert owner(claims, nobody, "pod-1") is None
    assert owner(claims, "real", nobody) is None
    assert owner(claims, "real", "pod-1") == "c"


def test_a_floor_of_its_own_is_not_needed() -> None:
    changed = with_tenant("tts", floor=None)
    assert parse_plan(changed).tenant("tts").floor_bytes is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["name", "card", "mode", "peak", "namespace", "pods", "floor", "target", "windows", "may_yield"]),
    JSON,
)
def test_whatever_stands_in_a_tenant_is_read_or_refused_at_its_place(key: str, value: Any) -> None:
    changed = plan()
    changed["tenants"][5][key] = value
    error = refusal(changed)
    assert error is None or (error.where.startswith("vram_plan.tenants") and len(str(error)) < 700)


@given(JSON)
def test_whatever_a_plan_is_it_is_read_or_refused(value: Any) -> None:
    error = refusal(value)
    assert error is None or str(error).startswith("vram_plan")
