"""The policy: defaults, what the plan already says, and every refusal by place, value and remedy."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import Target
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_fields import Demand
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import GatePolicy, parse_policy
from tests import plans

GIB = 1 << 30
TTS = plans.tts()
del TTS["card"]  # there is one only


def plan(tts: dict[str, Any] | None = None, gate: Any = None, **more: Any) -> dict[str, Any]:
    """Return a plan with one warm and one gated tenant; `gate` is left out where it is None."""
    tenants = [{"name": "stt", "mode": "warm", "peak": "1536Mi", "namespace": "stt"}, {**TTS, **(tts or {})}]
    value = {"margin": "2Gi", "cards": [{"name": "t4", "total": "15Gi"}], "tenants": tenants, **more}
    return copy.deepcopy(value if gate is None else {**value, "gate": gate})


def test_every_key_has_a_default() -> None:
    policy = parse_policy(plan())
    assert policy.gate == GatePolicy(5, 120, 600, 600, 900, 600, 6, 120, 604800)
    (tts,) = policy.tenants
    assert (tts.name, tts.card, tts.namespace, tts.target) == (
        "tts",
        "t4",
        "tts",
        Target("Deployment", "chatterbox-tts"),
    )
    assert (tts.peak_bytes, tts.floor_bytes, tts.guard_bytes) == (4 * GIB, 6 * GIB, 5 * GIB)
    assert (tts.priority, tts.demand, tts.yields, tts.enabled) == (0, None, True, True)
    assert policy.plan == parse_plan(plan())


def test_everything_can_be_said() -> None:
    gate = {
        "tick": "2s",
        "blind_grace": "0s",
        "cool_down": "1m",
        "min_run": "3m",
        "idle_grace": "4m",
        "loading_timeout": "5m",
        "max_age": "30s",
        "lookback": "1d",
        "max_transitions_per_hour": 2,
        "tenants": {
            "tts": {
                "enabled": False,
                "priority": -3,
                "guard": "5Gi",
                "demand": {"url": "http://tts.tts.svc/queue", "path": "a.b", "any_time": True},
            }
        },
    }
    policy = parse_policy(plan({"floor": None, "may_yield": False}, gate))
    assert policy.gate == GatePolicy(2, 0, 60, 180, 240, 300, 2, 30, 86400)
    (tts,) = policy.tenants
    assert (tts.floor_bytes, tts.guard_bytes, tts.priority) == (6 * GIB, 5 * GIB, -3)
    assert (tts.enabled, tts.yields) == (False, False)
    assert tts.demand == Demand("http://tts.tts.svc/queue", "a.b", None, any_time=True)


def test_the_plan_is_not_repeated() -> None:
    said: dict[str, Any] = {"max_age": "45s", "lookback": "2d"}
    assert parse_policy(plan(**said)).gate == GatePolicy(max_age=45, lookback=172800)
    assert parse_policy(plan(gate={"max_age": "10s"}, **said)).gate == GatePolicy(max_age=10, lookback=172800)


def test_a_tenant_wanted_at_any_time_needs_no_window() -> None:
    gate = {"tenants": {"tts": {"demand": {"promql": "sum(waiting)", "any_time": True}}}}
    assert parse_policy(plan({"windows": []}, gate)).tenants[0].windows == ()


def window(**change: Any) -> dict[str, Any]:
    return {"windows": [plans.WINDOW, {**plans.WINDOW, **change}]}


def extra(**keys: Any) -> dict[str, Any]:
    return {"tenants": {"tts": keys}}


AT = "vram_plan.tenants[1]"
GATE = "vram_plan.gate"
EXTRA = f"{GATE}.tenants.tts"
REFUSED: list[tuple[str, dict[str, Any] | None, Any, str, Any, str]] = [
    ("window without zone", window(timezone=None), None, f"{AT}.windows[1].timezone", None, "Europe/London"),
    ("unknown zone", window(timezone="Mars/Base"), None, f"{AT}.windows[1].timezone", "Mars/Base", "IANA"),
    ("impossible time", window(end="26:00"), None, f"{AT}.windows[1].end", "26:00", "in quotes"),
    ("time without quotes", window(end=1380), None, f"{AT}.windows[1].end", 1380, "in quotes"),
    ("weekday misspelt", window(days=["mo"]), None, f"{AT}.windows[1].days[0]", "mo", "mon, tue"),
    ("no length", window(end="02:00"), None, f"{AT}.windows[1].end", "02:00", '"24:00"'),
    ("no window", {"windows": []}, None, f"{AT}.windows", None, "start:"),
    ("floor below peak + margin", {"floor": "6143Mi"}, None, f"{AT}.floor", "6.00 GiB", "6.00 GiB or more"),
    ("no target", {"target": None}, None, f"{AT}.target", None, "chatterbox-tts"),
    ("guard at the peak", None, extra(guard="4Gi"), f"{EXTRA}.guard", "4Gi", "more than the peak"),
    ("guard at the floor", None, extra(guard="6Gi"), f"{EXTRA}.guard", "6.00 GiB", "lower the guard"),
    ("guard without unit", None, extra(guard=6), f"{EXTRA}.guard", 6, "give the unit"),
    ("priority in words", None, extra(priority="high"), f"{EXTRA}.priority", "high", "write a number"),
    ("priority yes", None, extra(priority=True), f"{EXTRA}.priority", True, "write a number"),
    ("enabled in words", None, extra(enabled="no"), f"{EXTRA}.enabled", "no", "true or false"),
    ("unknown key", None, extra(prio=1), EXTRA, "prio", "known here"),
    ("tenant that is not gated", None, {"tenants": {"stt": {}}}, f"{GATE}.tenants", "stt", "known here: tts"),
    ("tenants as list", None, {"tenants": ["tts"]}, f"{GATE}.tenants", ["tts"], "not a mapping"),
    ("demand twice", None, extra(demand={"url": "http://a", "promql": "n"}), f"{EXTRA}.demand", ..., "one of url"),
    ("demand of nobody", None, extra(demand={"any_time": True}), f"{EXTRA}.demand", ..., "one of url and promql"),
    ("url without path", None, extra(demand={"url": "http://a"}), f"{EXTRA}.demand", ..., "path"),
    ("path without url", None, extra(demand={"promql": "n", "path": "n"}), f"{EXTRA}.demand", ..., "path"),
    (
        "url of a file",
        None,
        extra(demand={"url": "file:///n", "path": "n"}),
        f"{EXTRA}.demand.url",
        "file:///n",
        "http://",
    ),
    ("gate as list", None, ["tick"], GATE, ["tick"], "not a mapping"),
    ("unknown gate key", None, {"tik": "5s"}, GATE, "tik", "known here: tick"),
    ("tick without unit", None, {"tick": 5}, f"{GATE}.tick", 5, "unit"),
    ("tick of nothing", None, {"tick": "0s"}, f"{GATE}.tick", "0s", "1s or more"),
    ("tick over the shortest window", None, {"tick": "4h1s"}, f"{GATE}.tick", "4h1s", "shortest window (4h)"),
    ("age of nothing", None, {"max_age": "0s"}, f"{GATE}.max_age", "0s", "1s or more"),
    ("look-back too short", None, {"lookback": "59s"}, f"{GATE}.lookback", "59s", "1m or more"),
    ("nobody may enter", None, {"max_transitions_per_hour": 1}, f"{GATE}.max_transitions_per_hour", 1, "one to start"),
    ("half a change", None, {"max_transitions_per_hour": 2.5}, f"{GATE}.max_transitions_per_hour", 2.5, "2 or more"),
]


@pytest.mark.parametrize(
    ("tts", "gate", "where", "value", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_cannot_be_meant_is_refused(
    tts: dict[str, Any] | None, gate: Any, where: str, value: Any, says: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_policy(plan(tts, gate))
    assert caught.value.where == where
    assert value is ... or caught.value.value == value
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("floor", "says"),
    [
        (None, r"floor is missing, and without a margin it is its peak \(4.00 GiB\): .*; write a margin, or a floor"),
        ("4Gi", r"floor: '4.00 GiB' is its peak \(4.00 GiB\): .*; write a margin, or a floor above the peak"),
        (4 * GIB + 1, r"floor: '4.00 GiB' is its peak"),
    ],
)
def test_without_a_margin_the_floor_is_named_and_no_level_that_nobody_wrote(floor: Any, says: str) -> None:
    with pytest.raises(InputError, match=rf"^vram_plan.tenants\[1\].{says}"):
        parse_policy(plan({"floor": floor}, margin=0))


def test_without_a_margin_a_floor_above_the_peak_will_do() -> None:
    (tts,) = parse_policy(plan({"floor": 4 * GIB + 2}, margin=0)).tenants
    assert (tts.guard_bytes, tts.floor_bytes) == (4 * GIB + 1, 4 * GIB + 2)


def test_two_plans_for_one_target_are_refused() -> None:
    value = plan()
    value["tenants"].append({**TTS, "name": "tts-again", "pods": "again-.+"})
    with pytest.raises(InputError, match="two gated tenants would scale the same target"):
        parse_policy(value)


@pytest.mark.parametrize("profile", ["nvidia_gpu_exporter", "nvitop", "llama_swap", "dcgm"])
def test_a_profile_under_which_a_tenant_would_yield_to_itself_is_refused(profile: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_policy(plan(profile=profile))
    assert (caught.value.where, caught.value.value) == ("vram_plan.profile", profile)
    assert "the use of tts" in str(caught.value)
    assert "gpu_pod_exporter" in caught.value.remedy
    assert parse_policy(plan({"may_yield": False}, profile=profile)).tenants


def test_profiles_that_know_pods_are_taken() -> None:
    for profile in ("auto", "gpu_pod_exporter", "hami"):
        assert parse_policy(plan(profile=profile)).tenants
    alone = plan(profile="dcgm")
    del alone["tenants"][0]
    assert parse_policy(alone).tenants, "of one tenant alone DCGM's number is its own"
    with pytest.raises(InputError, match=r"vram_plan\.profile: 'dgcm' is not known"):
        parse_policy(plan(profile="dgcm"))


def test_the_tick_may_be_as_long_as_the_shortest_window() -> None:
    parse_policy(plan(gate={"tick": "4h"}))
    with pytest.raises(InputError, match=r"shortest window \(30m\)"):
        parse_policy(plan(window(start="01:30", end="02:00"), {"tick": "31m"}))
