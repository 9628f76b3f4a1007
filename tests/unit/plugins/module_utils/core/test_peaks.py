"""Peaks over the look-back: whose they are, what of them is believed, and what is said where there are none."""

from __future__ import annotations

import contextlib
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import Claim
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.peaks import FEW_SERIES, Source, history_query
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.profiles import chosen
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.queries import may_meet, window
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.report import report
from tests.unit.plugins.module_utils.core.pages import Card, Store, dcgm, gpu_pod_exporter, hami, peak, pod_peaks
from tests.unit.plugins.module_utils.core.t4 import CARD, check, judged, mib, pages, plan, read

Answer = Sequence[tuple[Mapping[str, str], float]]
STT = ("portal-stt", "speaches-5d8f-abcde", 1500.0)
SHARED = {
    "tenants": [
        {
            "name": "stt",
            "mode": "warm",
            "peak": "2Gi",
            "namespace": "voice",
            "target": {"kind": "Deployment", "name": "stt"},
        },
        {"name": "llm", "mode": "on_demand", "peak": "4Gi", "namespace": "voice", "pods": "llm-.+"},
    ]
}


def group(namespace: str, size: float, *, tenant: str = "", source: str = "gpu_pod_exporter", **labels: str) -> Any:
    named = {"exported_namespace": namespace, **({"vram_group": tenant} if tenant else {}), **labels}
    return peak(source, "group", named, size)


def pod(namespace: str, name: str, size: float, *, source: str = "gpu_pod_exporter", **labels: str) -> Any:
    return peak(source, "pod", {"exported_namespace": namespace, "exported_pod": name, **labels}, size)


def observed(answer: Answer, value: Any = None, live: Any = None) -> dict[str, float]:
    reading = read(Store(pages() if live is None else live, peaks=answer), value)
    assert reading.problems == ()
    return {tenant: mib(size) for tenant, size in reading.observed.items()}


def test_the_peak_of_a_tenant_is_that_of_its_pods_together() -> None:
    """Two pods of 3000 that never lived at once peak at what their sum was, which the store says: 3200."""
    answer = [pod("llama-swap", "a", 3000), pod("llama-swap", "b", 3000), group("llama-swap", 3200)]
    assert observed(answer)["llama-swap"] == 3200


def test_what_is_held_now_is_a_peak_as_well() -> None:
    assert observed([pod("immich", "immich-ml-0", 900), group("immich", 900)])["immich-ml"] == 2150
    assert observed([])["immich-ml"] == 2150


def test_a_tenant_that_sleeps_now_has_its_peak() -> None:
    assert observed(pod_peaks(("tts", "chatterbox-tts-1-2", 4673.0)))["tts"] == 4673


def test_a_shared_namespace_is_told_apart_by_target_and_pods() -> None:
    live = [dcgm(CARD), gpu_pod_exporter(("voice", "stt-7d9f-abcde", 1500), ("voice", "other-1-a", 300))]
    answer = [
        pod("voice", "stt-7d9f-abcde", 1800),
        group("voice", 1800, tenant="target/stt"),
        group("voice", 3900, tenant="llm"),
        group("voice", 700),
    ]
    reading = read(Store(live, peaks=answer), SHARED)
    assert {tenant: mib(size) for tenant, size in reading.observed.items()} == {"stt": 1800, "llm": 3900}
    assert mib(next(iter(reading.others.values()))) == 700 + CARD.used - 1800


def test_an_undeclared_resident_counts_at_its_peak() -> None:
    answer = [pod("alien", "alien-1", 3000), group("alien", 3500)]
    reading = read(Store(pages(("alien", "alien-1", 1000)), peaks=answer))
    assert [mib(r.peak_bytes) for r in reading.residents if r.tenant is None] == [3000]
    assert mib(reading.others["t4"]) == 3500


def test_an_undeclared_one_who_is_gone_is_noted() -> None:
    reading = read(Store(pages(), peaks=pod_peaks(("alien", "alien-1", 3000))))
    assert reading.others == {"t4": 0}
    assert reading.notes == (
        "undeclared pods of namespace alien held up to 2.93 GiB within the look-back, and nothing now",
    )


@pytest.mark.parametrize("size", [float("nan"), float("inf"), -5.0, 1e308])
def test_impossible_peaks_are_dropped(size: float) -> None:
    answer: Answer = [(labels, size) for labels, _value in pod_peaks(("immich", "immich-ml-0", 1.0))]
    assert observed(answer)["immich-ml"] == 2150


def test_answers_without_a_name_are_dropped() -> None:
    answer: Answer = [
        ({"vram_part": "group:gpu_pod_exporter"}, 9e9),
        ({"vram_part": "pod:gpu_pod_exporter"}, 9e9),
        ({}, 9e9),
    ]
    assert observed(answer) == observed([])


@pytest.mark.parametrize(
    ("covered", "note"),
    [
        (None, "there is no history of pods for the look-back of 7d: declared peaks and what is now count"),
        (86400.0, "history covers 1d of the look-back of 7d"),
        (604800.0, None),
    ],
)
def test_how_much_history_there_is_is_said(covered: float | None, note: str | None) -> None:
    answer: Answer = (
        [] if covered is None else [*pod_peaks(STT)[1:], ({"vram_part": "covered:gpu_pod_exporter"}, covered)]
    )
    reading = read(Store(pages(), peaks=answer))
    table = report(parse_plan(plan()), reading)
    assert reading.covered_seconds == (covered or 0)
    assert (note is None) == ("note:" not in table)
    assert note is None or f"note: {note}" in table


def test_nothing_is_said_of_history_where_nobody_wants_it() -> None:
    assert "note:" not in report(parse_plan(plan()), read(Store(pages()), lookback=0))


def test_peaks_of_one_card_are_not_those_of_another() -> None:
    cards = [Card(used=2000, uuid=f"GPU-{number}", node="gpu-1") for number in range(2)]
    value = {
        "cards": [{"name": f"c{number}", "uuid": f"GPU-{number}"} for number in range(2)],
        "tenants": [{"name": "stt", "mode": "warm", "peak": "2Gi", "namespace": "portal-stt", "card": "c0"}],
    }
    answer = [
        pod("portal-stt", "speaches-1", 1900, source="hami", device_uuid="GPU-0"),
        group("portal-stt", 1900, source="hami", device_uuid="GPU-0"),
        group("portal-stt", 9000, source="hami", device_uuid="GPU-1"),
    ]
    live = [dcgm(*cards), hami(cards[0], ("portal-stt", "speaches-1", 1800))]
    assert observed(answer, value, live) == {"stt": 1900}


@pytest.mark.parametrize("source", ["gpu_pod_exporter", "hami"])
def test_peaks_are_found_where_nobody_holds_anything_now(source: str) -> None:
    idle = [dcgm(Card(used=0))]
    assert observed(pod_peaks(("tts", "chatterbox-tts-1-2", 4673.0), source=source), live=idle)["tts"] == 4673


@pytest.mark.parametrize("size", [2**21, math.inf, -1, 2.0**63])
def test_a_history_that_is_no_size_leaves_the_tenant_undecided(size: float) -> None:
    store = Store(pages(), peaks=[*pod_peaks(STT), group("immich", size)])
    verdict, reading = judged(store)
    assert mib(reading.observed["immich-ml"]) == 2150
    over = check(verdict, "over_budget")
    assert not over.passed
    assert "immich-ml: its history holds values that are no size" in over.msg
    assert "shorten lookback" in over.msg
    assert not verdict.safe
    assert (
        "the history of namespace immich holds values that are no size: what was held there is not known"
        in reading.notes
    )


def test_of_few_series_only_what_is_a_size_is_looked_at() -> None:
    profile = chosen("dcgm")[0]
    for series, looked in ((FEW_SERIES, True), (FEW_SERIES + 1, False)):
        source = Source(profile, ("DCGM_FI_DEV_FB_USED",), (("namespace", "pod"),), series=series)
        assert (" >= 0 <= 1048576" in history_query([source], (), 3600)) == looked


@pytest.mark.parametrize(("step", "said"), [(60, False), (302, True)])
def test_a_coarse_look_at_the_past_is_said(step: int, said: bool) -> None:
    covered = ({"vram_part": f"covered:gpu_pod_exporter:0:{step}"}, 604800.0)
    reading = read(Store(pages(), peaks=[*pod_peaks(STT)[1:], covered]))
    assert any("looked at every 5m2s: shorter peaks" in note for note in reading.notes) == said


def test_a_card_whose_pods_cannot_be_told_apart_has_no_past_of_pods() -> None:
    profile = chosen("dcgm")[0]
    source = Source(profile, ("DCGM_FI_DEV_FB_USED",), (("namespace", "pod"),), uuids=("GPU-1", "GPU-2"))
    assert 'UUID=~"GPU-1|GPU-2"' in history_query([source], (), 3600).replace("\\", "")


def test_an_exporter_that_is_scraped_twice_has_one_past() -> None:
    profile = chosen("gpu_pod_exporter")[0]
    source = Source(profile, ("gpu_pod_memory_used_bytes",), (("namespace", "pod"),))
    assert "instance" not in history_query([source], (), 3600)


@pytest.mark.parametrize(("series", "step"), [(1, 60), (90, 60), (500, 302), (5000, 3024)])
def test_more_series_are_added_up_at_fewer_instants(series: int, step: int) -> None:
    assert window(7 * 86400, series) == (f"[604800s:{step}s]", step)


@pytest.mark.parametrize(("lookback", "step"), [(1, 1), (60, 1), (600, 5), (3600, 30), (86400, 60)])
def test_a_short_look_back_is_looked_at_closely(lookback: int, step: int) -> None:
    assert window(lookback, 10)[1] == step


def test_twins_are_merged_only_where_there_are_any() -> None:
    profile = chosen("gpu_pod_exporter")[0]
    for twins in (True, False):
        source = Source(profile, ("gpu_pod_memory_used_bytes",), (("namespace", "pod"),), twins=twins)
        assert ("max by" in history_query([source], (), 3600)) == twins


@given(
    st.lists(st.text("ab-.*+?|{}()[]\\d1", max_size=8), min_size=2, max_size=2),
    st.text("ab-d1", max_size=5),
)
@example(["a-.+", "a-b-.+"], "a-b-1")
@example(["ab*-.+", "a-.+"], "a-1")
@example(["a|b-.+", "b-.+"], "b-1")
def test_patterns_that_a_name_matches_both_may_meet(patterns: list[str], name: str) -> None:
    with warnings.catch_warnings(), contextlib.suppress(re.error, OverflowError):
        warnings.simplefilter("ignore", FutureWarning)
        if all(re.fullmatch(pattern, name) for pattern in patterns):
            assert may_meet(*patterns)


def test_tenants_that_cannot_meet_are_not_told_apart() -> None:
    assert not may_meet("stt-.+", "tts-.+")
    assert not may_meet("t1-.+", "t10-.+")
    profile = chosen("gpu_pod_exporter")[0]
    sizes = []
    for number in (50, 200):
        claims = [Claim(f"t{at}", "voice", f"t{at}-.+") for at in range(number)]
        sizes.append(len(history_query([Source(profile, ("m",), ())], claims, 3600)))
    assert sizes[1] < 5 * sizes[0], "grows with the tenants, not with their square"


def test_deployments_of_a_namespace_are_one_question() -> None:
    profile = chosen("gpu_pod_exporter")[0]
    target = {"kind": "Deployment"}
    tenants = [
        {"name": f"t{at}", "mode": "warm", "peak": "1Gi", "namespace": "voice", "target": {**target, "name": f"d{at}"}}
        for at in range(200)
    ]
    source = Source(profile, ("m",), (("namespace", "pod"),), series=400)
    question = history_query([source], parse_plan({"tenants": tenants}).claims(), 7 * 86400)
    # The groups of the namespace, those of all others, each pod, and how much history there is.
    assert question.count("_over_time(") == 4
    assert len(question) < 3000


def test_many_sums_are_added_up_at_fewer_instants() -> None:
    source = Source(chosen("gpu_pod_exporter")[0], ("m",), ())
    claims = [Claim(f"t{at}", "voice", f"t{at}-.+") for at in range(200)]
    (step,) = set(re.findall(r"\[604800s:(\d+)s\]", history_query([source], claims, 7 * 86400)))
    assert int(step) == 604800 * 3 * 202 // 1_000_000


HOSTILE = ['x"} or vector(0)#', ".*", "a|b", "(", "a\\", "a\nb"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_labels_are_literals_in_the_question(name: str) -> None:
    profile = chosen("gpu_pod_exporter")[0]
    source = Source(profile, (f"{name}_gpu_pod_memory_used_bytes",), (), (name,))
    question = history_query([source], [Claim("stt", "voice", None)], 3600)
    excluded = re.findall(r'pod!~"((?:[^"\\]|\\.)*)"', question)
    assert excluded
    for literal in excluded:
        pattern = re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), literal)
        assert re.fullmatch(pattern, name)
        assert not re.fullmatch(pattern, "speaches-1")
