"""The eight checks, each passing and failing with the T4's numbers, worked out by hand (MiB).

total 15360, reserved 450; warm 1536 + 2150 + 1946 + 160 = 5792; on demand 4455; gated 4096; margin 2048.
Without the gated tenant 450 + 5792 + 4455 = 10697; with it 14793, so 567 are left. The floor of 6144 is the need
(4096 + 2048); 15360 - 450 - 5792 = 9118 can get free.
"""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.budget import budget
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.checks import Check, parse_levels
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.findings import CHECKS
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from tests.unit.plugins.module_utils.core.pages import MIB, Card, Store, dcgm, gpu_pod_exporter, pod_peaks
from tests.unit.plugins.module_utils.core.t4 import (
    HELD,
    HOLDERS,
    check,
    judged,
    mib,
    pages,
    plan,
    read,
    with_tenant,
)

NAMES = [
    "blind",
    "floor_below_need",
    "floor_unreachable",
    "overcommitted",
    "no_room_when_all_wake",
    "over_budget",
    "undeclared_resident",
    "total_mismatch",
]
TTS = ("tts", "chatterbox-tts-1-2")


def numbers(entry: Check) -> dict[str, Any]:
    """Return the check's own numbers, sizes in MiB."""
    return {
        key: mib(value) if key.endswith("_bytes") else value
        for key, value in entry.numbers.items()
        if key != "subjects"
    }


def test_there_are_eight_checks() -> None:
    assert list(CHECKS) == NAMES


def test_the_plan_of_the_t4_is_safe_by_its_numbers() -> None:
    verdict, reading = judged(pages())
    assert verdict.safe
    assert [entry.name for entry in verdict.checks if not entry.passed] == []
    sums = budget(parse_plan(plan()), reading)
    card, floor = sums.cards[0], sums.floors[0]
    assert (mib(card.without_gated_bytes), mib(card.worst_case_bytes), mib(card.headroom_bytes)) == (10697, 14793, 567)
    assert (mib(floor.configured_bytes), mib(floor.needed_bytes), mib(floor.reachable_bytes)) == (6144, 6144, 9118)
    assert mib(floor.recommended_bytes) == 6144


def test_a_tenant_that_never_yields_is_asked_of_its_own_card_only() -> None:
    cards = [Card(used=100, uuid=f"GPU-{name}") for name in "ab"]
    window = plan()["tenants"][-1]
    stays = {**window, "name": "x", "namespace": "x", "card": "a", "may_yield": False}
    leaves = {**window, "name": "y", "namespace": "y", "card": "b"}
    value: dict[str, Any] = {
        "margin": 0,
        "cards": [{"name": name, "uuid": f"GPU-{name}"} for name in "ab"],
        "tenants": [
            {"name": "w", "mode": "warm", "peak": "12Gi", "namespace": "w", "card": "b"},
            *({**one, "target": {"kind": "Deployment", "name": one["name"]}} for one in (stays, leaves)),
        ],
    }
    full = check(judged([dcgm(*cards)], value)[0], "no_room_when_all_wake")
    assert (full.passed, full.level, numbers(full)["card"]) == (False, "warn", "b")
    value["tenants"][0]["card"] = "a"
    full = check(judged([dcgm(*cards)], value)[0], "no_room_when_all_wake")
    assert (full.passed, full.level, numbers(full)["card"]) == (False, "fail", "a")


CASES: list[tuple[str, Any, Any, str, dict[str, Any], str]] = [
    (
        "floor_below_need",
        with_tenant("tts", floor="5Gi"),
        pages(),
        "fail",
        {"floor_bytes": 5120, "expected_bytes": 4096, "margin_bytes": 2048, "needed_bytes": 6144},
        "set floor to 6Gi",
    ),
    (
        "floor_below_need",
        plan(),
        Store(pages(), peaks=pod_peaks((*TTS, 4673.0))),
        "fail",
        {"floor_bytes": 6144, "expected_bytes": 4673, "needed_bytes": 6721},
        "set floor to 6784Mi",
    ),
    (
        "floor_unreachable",
        with_tenant("tts", floor="9Gi"),
        pages(),
        "fail",
        {"floor_bytes": 9216, "total_bytes": 15360, "reserved_bytes": 450, "warm_bytes": 5792, "reachable_bytes": 9118},
        "can never be met",
    ),
    (
        "overcommitted",
        with_tenant("llama-swap", peak="9200Mi"),
        pages(),
        "fail",
        {"warm_bytes": 5792, "on_demand_bytes": 9200, "gated_bytes": 0, "reserved_bytes": 450, "expected_bytes": 15442},
        "82 MiB too much",
    ),
    (
        "no_room_when_all_wake",
        with_tenant("tts", peak="5000Mi", floor="7048Mi"),
        pages(),
        "warn",
        {"gated_bytes": 5000, "expected_bytes": 15697, "total_bytes": 15360},
        "337 MiB too much",
    ),
    (
        "no_room_when_all_wake",
        with_tenant("tts", peak="5000Mi", floor="7048Mi", may_yield=False),
        pages(),
        "fail",
        {"expected_bytes": 15697},
        "337 MiB too much",
    ),
    (
        "over_budget",
        plan(),
        Store(pages(), peaks=pod_peaks(("llama-swap", "llama-swap-1", 7168.0))),
        "fail",
        {"tenant": "llama-swap", "declared_bytes": 4455, "observed_bytes": 7168},
        "2.65 GiB more than the declared 4.35 GiB; measure again",
    ),
    (
        "over_budget",
        plan(),
        pages(("portal-stt", "speaches-2", 100)),
        "fail",
        {"tenant": "stt", "declared_bytes": 1536, "observed_bytes": 1600},
        "64 MiB more than the declared",
    ),
    (
        "undeclared_resident",
        plan(),
        Store(pages(("alien", "alien-1", 100)), peaks=pod_peaks(("alien", "alien-1", 300))),
        "warn",
        {"card": "t4", "namespace": "alien", "pod": "alien-1", "used_bytes": 100, "peak_bytes": 300},
        "alien/alien-1 holds 100 MiB and is not declared; add it to tenants",
    ),
    (
        "total_mismatch",
        plan(cards=[{"name": "t4", "node": "gpu-1", "total": "16Gi"}]),
        pages(),
        "fail",
        {"card": "t4", "declared_bytes": 16384, "measured_bytes": 15360},
        "1.00 GiB more than the card has (15.00 GiB)",
    ),
]


@pytest.mark.parametrize(("name", "value", "port", "level", "expected", "text"), CASES)
def test_check_fails_with_its_own_numbers(
    name: str, value: Any, port: Any, level: str, expected: dict[str, Any], text: str
) -> None:
    verdict, reading = judged(port, value)
    failed = [entry for entry in verdict.checks if not entry.passed]
    entry = check(verdict, name)
    assert reading.problems == ()
    assert entry in failed
    assert entry.level == level
    assert numbers(entry).items() >= expected.items()
    assert text in entry.msg
    assert verdict.safe == all(other.level != "fail" for other in failed)


def test_only_the_floor_is_wrong_where_only_the_floor_is_wrong() -> None:
    verdict, _reading = judged(pages(), with_tenant("tts", floor="5Gi"))
    assert [entry.name for entry in verdict.checks if not entry.passed] == ["floor_below_need"]
    assert not verdict.safe


@pytest.mark.parametrize(
    ("value", "name", "passed"),
    [
        (with_tenant("tts", floor="6143Mi"), "floor_below_need", False),
        (with_tenant("tts", floor="9118Mi"), "floor_unreachable", True),
        (with_tenant("tts", floor="9119Mi"), "floor_unreachable", False),
        (with_tenant("llama-swap", peak="9118Mi"), "overcommitted", True),
        (with_tenant("llama-swap", peak="9119Mi"), "overcommitted", False),
        (with_tenant("llama-swap", peak="5022Mi"), "no_room_when_all_wake", True),
        (with_tenant("llama-swap", peak="5023Mi"), "no_room_when_all_wake", False),
        (with_tenant("frigate", peak="1920Mi"), "over_budget", True),
        (with_tenant("frigate", peak="1919Mi"), "over_budget", False),
        (plan(cards=[{"name": "t4", "total": 15360 * MIB}]), "total_mismatch", True),
        (plan(cards=[{"name": "t4", "total": 15360 * MIB + 1}]), "total_mismatch", False),
        (plan(cards=[{"name": "t4"}]), "total_mismatch", True),
    ],
)
def test_check_turns_at_its_limit(value: Any, name: str, *, passed: bool) -> None:
    verdict, _reading = judged(pages(), value)
    assert check(verdict, name).passed is passed


def test_an_undeclared_resident_takes_room() -> None:
    free, _reading = judged(pages())
    taken, _reading = judged(pages(("alien", "alien-1", 600)))
    assert check(free, "no_room_when_all_wake").passed
    assert not check(taken, "no_room_when_all_wake").passed
    assert numbers(check(taken, "no_room_when_all_wake"))["undeclared_bytes"] == 600


def test_immich_as_it_was_seen_once() -> None:
    verdict, _reading = judged(Store(pages(), peaks=pod_peaks(("immich", "immich-ml-0", 10957.0))))
    assert "4.05 GiB too much" in check(verdict, "overcommitted").msg  # 19504 of 15360
    assert not verdict.safe


def test_the_drivers_share_may_be_missing_in_what_is_measured() -> None:
    """Without it a T4 adds up to 14910 MiB: a total of 15Gi is no mistake, one of 16Gi is one."""
    scraped = [dcgm(Card(used=HELD), reserved=False), gpu_pod_exporter(*HOLDERS)]
    verdict, _reading = judged(scraped)
    assert check(verdict, "total_mismatch").passed
    verdict, _reading = judged(scraped, plan(cards=[{"name": "t4", "total": "16Gi"}]))
    assert not check(verdict, "total_mismatch").passed


BAD_LEVELS: list[tuple[Any, str, str]] = [
    ([], "checks", "is not a mapping"),
    ({"blnd": "off"}, "checks", "'blnd' is no check"),
    ({"blind": "error"}, "checks.blind", "'error' is no level"),
    ({"blind": True}, "checks.blind", "True is no level"),
    ({"blind": 0}, "checks.blind", "0 is no level"),
    ({"blind": None}, "checks.blind", "None is no level"),
    ({"blind": ["off"]}, "checks.blind", "is no level"),
]


@pytest.mark.parametrize(("value", "where", "text"), BAD_LEVELS)
def test_bad_levels_are_refused(value: Any, where: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_levels(value)
    assert caught.value.where == where
    assert text in str(caught.value) or value == {"blind": None}
    assert "known: blind" in str(caught.value) or "fail, warn" in str(caught.value)


def test_levels_are_read_and_a_bare_off_of_yaml_is_off() -> None:
    assert parse_levels(None) == {}
    assert parse_levels({"blind": False, "over_budget": "warn"}) == {"blind": "off", "over_budget": "warn"}


@pytest.mark.parametrize("level", ["fail", "warn", "off"])
@pytest.mark.parametrize("name", NAMES)
def test_only_a_failed_check_of_level_fail_is_unsafe(name: str, level: str) -> None:
    failing: dict[str, tuple[Any, Any]] = {
        case: (port, value) for case, value, port, _level, _numbers, _text in reversed(CASES)
    }
    port, value = failing.get(name, ([], plan()))
    others = dict.fromkeys(NAMES, "off")
    verdict, _reading = judged(port, value, {**others, name: level})
    entry = check(verdict, name)
    assert not entry.passed
    assert entry.level == level
    assert verdict.safe == (level != "fail")


def test_blind_is_unsafe_and_decides_nothing_in_favour() -> None:
    verdict, _reading = judged([])
    assert not verdict.safe
    assert check(verdict, "blind").numbers["reason"] == "no_series"
    unknown = ("blind", "over_budget", "undeclared_resident", "total_mismatch")
    assert [entry.name for entry in verdict.checks if not entry.passed] == list(unknown)


def test_blind_as_a_warning_goes_on_with_declared_numbers() -> None:
    unknown = dict.fromkeys(("over_budget", "undeclared_resident", "total_mismatch"), "off")
    levels = {"blind": "warn", **unknown}
    safe, _reading = judged([], plan(), levels)
    assert safe.safe
    assert not check(safe, "blind").passed
    unsafe, _reading = judged([], with_tenant("tts", floor="5Gi"), levels)
    assert not unsafe.safe
    without_total, _reading = judged([], plan(cards=[{"name": "t4"}]), levels)
    assert not without_total.safe
    assert "cannot be decided" in check(without_total, "overcommitted").msg


def test_blind_with_one_card_of_two_without_a_total_decides_nothing() -> None:
    value = {
        "cards": [{"name": "a", "node": "n1", "total": "15Gi"}, {"name": "b", "node": "n2"}],
        "tenants": [
            {
                "name": "tts",
                "card": "b",
                "mode": "gated",
                "peak": "4Gi",
                "floor": "1Gi",
                "namespace": "tts",
                "target": {"kind": "Deployment", "name": "tts"},
            }
        ],
    }
    verdict, _reading = judged([], value)
    assert not check(verdict, "floor_below_need").passed


def test_blind_as_a_warning_alone_does_not_pass_what_it_cannot_know() -> None:
    verdict, _reading = judged([], plan(), {"blind": "warn"})
    assert not verdict.safe


def test_several_subjects_are_all_in_the_numbers_and_the_worst_is_first() -> None:
    pods = [("alien", f"alien-{number}", 10.0 * number) for number in range(1, 6)]
    verdict, _reading = judged(pages(*pods))
    entry = check(verdict, "undeclared_resident")
    assert entry.numbers["pod"] == "alien-5"
    assert len(entry.numbers["subjects"]) == 5
    assert entry.msg.endswith("; and 2 more")


def test_what_passes_shows_its_tightest_numbers() -> None:
    verdict, _reading = judged(pages())
    entry = check(verdict, "over_budget")
    assert (entry.passed, entry.numbers["tenant"], len(entry.numbers["subjects"])) == (True, "immich-ml", 6)


def test_an_empty_plan_on_a_measured_card_is_safe() -> None:
    verdict, reading = judged(pages(), {"cards": [{"name": "t4"}]})
    assert reading.problems == ()
    assert verdict.safe
    assert check(verdict, "floor_below_need").msg == "nothing to check"


def test_reading_is_used_as_it_was_taken() -> None:
    parsed = parse_plan(plan())
    assert judged(pages())[1] == read(pages())
    assert parsed == parse_plan(plan())
