"""The scenario file: the demo's, and what is refused with which words."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dev.card.fields import Fields, ScenarioError
from dev.card.parse import load_scenario
from dev.card.scenario import FixedPod, Host, Match, OnDemand, Points, Sine

DEMO = Path(__file__).parents[3] / "inventories" / "demo" / "scenario.yml"

MINIMAL: dict[str, Any] = {
    "cards": [
        {
            "name": "t4",
            "node": "gpu-1",
            "uuid": "GPU-00000000-0000-0000-0000-000000000001",
            "model": "Tesla T4",
            "total": "15Gi",
            "reserved": "450Mi",
        }
    ],
    "workloads": [{"name": "stt", "match": {"namespace": "portal-stt", "pod": "speaches-.*"}, "idle": "1.5Gi"}],
}


def changed(path: str, value: object) -> str:
    """MINIMAL as YAML with one entry set, or removed where the value is `...`."""
    scenario = copy.deepcopy(MINIMAL)
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    at: Any = scenario
    for step in way:
        at = at[step]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return yaml.safe_dump(scenario)


def points_at(*minutes: int) -> list[dict[str, Any]]:
    return [{"minute": minute, "add": "1Mi"} for minute in minutes]


def test_the_demo_is_the_t4_of_the_homelab() -> None:
    scenario = load_scenario(DEMO.read_text(encoding="utf-8"))
    (card,) = scenario.cards
    assert (card.total_mib, card.reserved_mib) == (15360, 450)
    by_name = {workload.name: workload for workload in scenario.workloads}
    assert by_name["frigate"].processes == 8
    assert by_name["llama-swap"].load.on_demand == OnDemand(peak_mib=2560, awake_seconds=600)
    immich = by_name["immich-ml"].load
    assert isinstance(immich.curve, Sine)
    assert immich.idle_mib + immich.curve.amplitude_mib < 2150, "stays below what the demo's plan declares"
    assert by_name["stt"].load.idle_mib == 1536


def test_words_mean_what_they_say() -> None:
    text = changed(
        "workloads.0",
        {
            "name": "a",
            "pod": {"namespace": "n", "name": "p", "slices": 3},
            "idle": "1Mi",
            "curve": {"points": [{"minute": 0, "add": "0Mi"}, {"minute": 2, "add": "10Mi"}]},
        },
    )
    (workload,) = load_scenario(text).workloads
    assert workload.card == "t4", "with one card nobody has to name it"
    assert workload.place == FixedPod("n", "p", "main", 3)
    assert workload.load.curve == Points(((0.0, 0), (120.0, 10)))


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ({"match": {"namespace": ".*", "pod": ".*", "node": "gpu-1"}}, Match),
        ({"pod": {"namespace": "n", "name": "p"}}, FixedPod),
        ({"host": True}, Host),
    ],
)
def test_a_workload_has_one_place(place: dict[str, Any], kind: type) -> None:
    text = changed("workloads.0", {"name": "a", "idle": "1Mi", **place})
    assert isinstance(load_scenario(text).workloads[0].place, kind)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("cards.0.total", "16 GiB", ["scenario.cards[0].total", "'16 GiB'", "1536Mi"]),
        ("cards.0.total", 16, ["scenario.cards[0].total", "16", "1536Mi"]),
        ("cards.0.total", "100Ki", ["whole MiB"]),
        ("cards.0.total", "-1Gi", ["'-1Gi'"]),
        ("cards.0.total", "NaN", ["'NaN'"]),
        ("cards.0.total", "Infinity", ["'Infinity'"]),
        ("cards.0.total", "400Mi", ["scenario.cards[0].total", "nothing for residents"]),
        ("cards.0.total", ..., ["scenario.cards[0]", "'total'", "is missing"]),
        ("cards.0.uuid", "00000000-0000-0000-0000-000000000001", ["cards[0].uuid", "nvidia-smi -L"]),
        ("cards.0.vendor", "x", ["scenario.cards[0]", "'vendor'", "valid: node, name"]),
        ("cards", [], ["scenario.cards", "at least one card"]),
        ("cards", [MINIMAL["cards"][0], MINIMAL["cards"][0]], ["scenario.cards", "'t4'", "is there twice"]),
        ("workloads", [MINIMAL["workloads"][0]] * 2, ["scenario.workloads", "'stt'", "is there twice"]),
        ("workloads.0.card", "l4", ["workloads[0].card", "'l4'", "valid: t4"]),
        ("workloads.0.idle", ..., ["'idle'", "is missing"]),
        ("workloads.0.idle", "6GB", ["workloads[0].idle", "'6GB'", "1.5Gi"]),
        ("workloads.0.match.pod", "speaches-(", ["workloads[0].match.pod", "regular expression"]),
        ("workloads.0.match", ..., ["exactly one of match"]),
        ("workloads.0.host", True, ["exactly one of match"]),
        ("workloads.0.processes", 0, ["processes", "1 to 1000"]),
        ("workloads.0.graphics", "yes, please", ["graphics", "neither true nor false"]),
        ("workloads.0.leak_seconds", -1, ["leak_seconds", "below 0"]),
        ("workloads.0.curve", {"amplitude": "1Mi", "period_minutes": 0}, ["period_minutes", "not above 0"]),
        ("workloads.0.curve", {"points": [{"minute": 0, "add": "1Mi"}]}, ["points", "from minute 0 on"]),
        ("workloads.0.curve", {"points": points_at(1, 2)}, ["points", "from minute 0 on"]),
        ("workloads.0.curve", {"points": points_at(0, 2, 2)}, ["points", "in order"]),
        ("workloads.0.growth", {"per_minute": "1Mi"}, ["growth", "'cap'", "is missing"]),
        ("workloads.0.on_demand", {"peak": "1Mi", "awake_seconds": 0}, ["awake_seconds", "not above 0"]),
        ("exporters", {"dcgm": {"mode": "some"}}, ["exporters.dcgm.mode", "valid: device, copied, per_pod"]),
        ("exporters", {"dcgm": {"prefix": "9-"}}, ["exporters.dcgm.prefix", "metric name"]),
        ("exporters", {"hami": {}}, ["scenario.exporters", "'hami'", "valid: gpu-pod-exporter, dcgm"]),
        ("tenants", [], ["scenario", "'tenants'", "valid: cards, workloads, exporters"]),
    ],
)
def test_a_mistake_is_named_with_place_value_and_remedy(path: str, value: object, words: list[str]) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(changed(path, value))
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "1: 2\n"])
def test_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError):
        load_scenario(text)


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.lists(st.integers())))
def test_a_size_is_whole_mib_or_an_error(value: object) -> None:
    fields = Fields({"size": value}, "here")
    with contextlib.suppress(ScenarioError):
        size = fields.size("size")
        assert isinstance(size, int)
        assert size >= 0
