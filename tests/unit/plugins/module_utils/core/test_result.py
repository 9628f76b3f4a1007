"""The contract's keys, the same on success, on failure and blind; and the table that a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import QueryError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.result import result
from tests.unit.plugins.module_utils.core.pages import (
    MIB,
    Card,
    Page,
    Store,
    dcgm,
    gpu_pod_exporter,
    nvitop,
    pod_peaks,
)
from tests.unit.plugins.module_utils.core.t4 import CARD, HOLDERS, judged, pages, plan, with_tenant

HERE = Path(__file__).parent
UNSAFE = with_tenant("tts", floor="5Gi")
KEYS = {
    "msg": str,
    "cards": list,
    "residents": list,
    "floors": dict,
    "worst_case_bytes": dict,
    "headroom_bytes": dict,
    "history": dict,
}
CARD_KEYS = {
    "name": str,
    "uuid": str,
    "node": str,
    "model": str,
    "total_bytes": int,
    "used_bytes": int,
    "free_bytes": int,
    "reserved_bytes": int,
    "age_seconds": float,
    "profile": str,
    "total_source": str,
}
RESIDENT_KEYS = {"card": str, "tenant": str, "namespace": str, "pod": str, "used_bytes": int, "peak_bytes": int}
FLOOR_KEYS = {"configured_bytes": int, "recommended_bytes": int, "needed_bytes": int, "reachable_bytes": int}
CHECK_KEYS = {"name": str, "level": str, "passed": bool, "msg": str, "numbers": dict}


def returned(port: Any, value: Any = None, *, verdict: bool = True) -> dict[str, Any]:
    found, reading = judged(port, value)
    return result(parse_plan(plan() if value is None else value), reading, found if verdict else None)


def kinds(entry: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in entry.items()}


@pytest.mark.parametrize(
    ("page", "noted"),
    [
        (dcgm(CARD), False),
        (dcgm(CARD, reserved=False), False),  # its total is without the driver's share
        (nvitop(CARD), False),  # it is what total, used and free leave
        (gpu_pod_exporter(*HOLDERS), True),
    ],
    ids=["told", "left_out", "the_rest", "nobody_knows_the_card"],
)
def test_a_driver_s_share_that_nobody_tells_is_noted(page: Page, noted: bool) -> None:
    assert ("nobody tells what the driver keeps of card t4" in returned([page])["msg"]) is noted


CASES = {"safe": (pages(), None), "unsafe": (pages(("alien", "alien-1", 9)), UNSAFE), "blind": ([], None)}


@pytest.mark.parametrize("case", CASES)
def test_keys_are_those_of_the_contract(case: str) -> None:
    port, value = CASES[case]
    found = returned(port, value)
    assert kinds(found) == {**KEYS, "safe": bool, "checks": list}
    assert found["safe"] is (case == "safe")
    assert all(kinds(entry) == CHECK_KEYS for entry in found["checks"])
    assert len(found["checks"]) == 8
    assert kinds(returned(port, value, verdict=False)) == KEYS
    assert json.loads(json.dumps(found)) == found


def test_entries_are_those_of_the_contract() -> None:
    found = returned(*CASES["safe"])
    assert [kinds(entry) for entry in found["cards"]] == [CARD_KEYS]
    assert all(kinds(entry) == RESIDENT_KEYS for entry in found["residents"])
    assert [kinds(entry) for entry in found["floors"].values()] == [FLOOR_KEYS]
    assert found["cards"][0]["total_source"] == "measured"
    assert found["worst_case_bytes"] == {"t4": 14793 * MIB}
    assert found["headroom_bytes"] == {"t4": 567 * MIB}
    assert found["floors"]["tts"] == {
        "configured_bytes": 6144 * MIB,
        "recommended_bytes": 6144 * MIB,
        "needed_bytes": 6144 * MIB,
        "reachable_bytes": 9118 * MIB,
    }


def test_what_is_not_known_is_null_and_never_zero() -> None:
    found = returned([gpu_pod_exporter(*HOLDERS, ("alien", "alien-1", 9))])
    card = found["cards"][0]
    assert (card["total_source"], card["uuid"], card["reserved_bytes"], card["age_seconds"]) == (
        "declared",
        None,
        None,
        None,
    )
    assert [entry["tenant"] for entry in found["residents"] if entry["pod"] == "alien-1"] == [None]


def test_blind_returns_no_measured_number() -> None:
    found = returned([dcgm(CARD), gpu_pod_exporter(("x", "y", float("nan")))])
    assert found["cards"] == []
    assert found["residents"] == []
    assert found["safe"] is False


SNAPSHOTS = {
    "t4_safe": (Store(pages(), peaks=pod_peaks(("llama-swap", "llama-swap-1", 4455.0))), None),
    "t4_unsafe": (
        Store(pages(("alien", "alien-7c9d-xyz12", 700)), peaks=pod_peaks(("llama-swap", "llama-swap-1", 7168.0))),
        UNSAFE,
    ),
    "t4_blind": ([], None),
}


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_the_table_reads_as_it_was_looked_at(name: str) -> None:
    """After a wanted change write the file anew, and read it."""
    assert returned(*SNAPSHOTS[name])["msg"] + "\n" == (HERE / f"{name}.txt").read_text(encoding="utf-8")


HOSTILE = ["a\nb", "\x1b[2J\x1b[31mred", "a\r", "x" * 10_000, "é" * 200, "\u202egnp", "{{ x }}", "a\tb", "\u2028"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_not_break_the_table(name: str) -> None:
    plain, hostile = (
        returned(
            Store(
                [
                    dcgm(Card(used=CARD.used + 900, uuid=text, node=text, model=text)),
                    gpu_pod_exporter(*HOLDERS, (text, text, 900)),
                ],
                peaks=pod_peaks((f"{text}-gone", text, 900.0)),
            ),
            plan(cards=[]),
        )["msg"]
        for text in ("plain", name)
    )
    assert hostile.count("\n") == plain.count("\n")
    assert all(line.isprintable() for line in hostile.split("\n"))
    assert len(hostile) < len(plain) + 2000


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_do_not_break_the_table_of_a_blind_reading(name: str) -> None:
    scraped = [
        dcgm(Card(used=float("nan"), uuid=name, node=name), up=0, instance=name),
        gpu_pod_exporter((name, name, 9)),
    ]
    table = returned(scraped, plan(cards=[]))["msg"]
    assert all(line.isprintable() and len(line) < 2000 for line in table.split("\n"))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_port_says_does_not_break_the_table(name: str) -> None:
    class Failing(Store):
        def query(self, promql: str, *, time: float | None, lookback_delta: int | None) -> dict[str, Any]:
            raise QueryError("timeout", f"no answer {name}")

    for verdict in (True, False):
        table = returned(Failing([]), verdict=verdict)["msg"]
        assert all(line.isprintable() and len(line) < 2000 for line in table.split("\n"))
