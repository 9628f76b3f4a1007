"""From exporters' pages to a reading: trusted with the right numbers, or blind with its reason. Never open on doubt."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.measure import measure
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.options import Options
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.profiles import PROFILES
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import Reading
from tests.unit.plugins.module_utils.core.pages import (
    GIB,
    MIB,
    NOW,
    Card,
    Page,
    Series,
    Store,
    dcgm,
    gpu_pod_exporter,
    hami,
    llama_swap,
    nvidia_gpu_exporter,
    nvitop,
    pod_peaks,
)
from tests.unit.plugins.module_utils.core.t4 import CARD, HELD, HOLDERS, codes, mib, pages, plan, read, with_tenant

STT = ("portal-stt", "speaches-5d8f-abcde", 1500.0)
TTS = ("tts", "chatterbox-tts-6c8b-vwxyz", 4000.0)
POD = {"namespace": "gpu-operator", "pod": "nvidia-dcgm-exporter-x7k2p"}


def held(reading: Reading) -> dict[str | None, float]:
    """Return the MiB that each tenant holds, under None what nobody declared."""
    sums: dict[str | None, float] = {}
    for resident in reading.residents:
        sums[resident.tenant] = sums.get(resident.tenant, 0) + mib(resident.used_bytes)
    return sums


def others(reading: Reading, card: str = "t4") -> float:
    return mib(reading.others[card])


# --- who knows what, alone


def test_pod_exporter_alone_needs_the_declared_total_and_says_so() -> None:
    reading = read([gpu_pod_exporter(*HOLDERS)])
    card = reading.cards[0]
    assert reading.problems == ()
    assert (card.total_source, card.total_bytes, card.reserved_bytes) == ("declared", 15 * GIB, None)
    assert mib(card.used_bytes) == HELD
    assert card.free_bytes == card.total_bytes - card.used_bytes
    assert held(reading) == {"stt": 1500, "immich-ml": 2150, "frigate": 1920, "android-emulator": 150}


@pytest.mark.parametrize("cards", [[], [{"name": "t4", "node": "gpu-1"}]])
def test_pod_exporter_alone_is_blind_without_a_declared_total(cards: list[dict[str, str]]) -> None:
    reading = read([gpu_pod_exporter(*HOLDERS)], plan(cards=cards))
    assert codes(reading) == {"no_card"}
    assert "total" in reading.problems[0].message


WHOLE = {
    "dcgm": dcgm(CARD),
    "dcgm that lacks the driver's share": dcgm(CARD, reserved=False),
    "nvidia_gpu_exporter": nvidia_gpu_exporter(CARD),
    "nvitop": nvitop(CARD),
    "llama-swap": llama_swap(CARD),
}


@pytest.mark.parametrize(
    ("page", "used", "free", "reserved"),
    [
        ("dcgm", HELD + 16, 15360 - 450 - HELD - 16, 450),
        ("dcgm that lacks the driver's share", HELD + 16, 15360 - 450 - HELD - 16, None),
        ("nvidia_gpu_exporter", HELD + 16, 15360 - 450 - HELD - 16, 450),
        ("nvitop", HELD + 16 + 450, 15360 - 450 - HELD - 16, 0),
        ("llama-swap", HELD + 16, 15360 - HELD - 16, None),
    ],
)
def test_card_as_each_exporter_knows_it(page: str, used: float, free: float, reserved: float | None) -> None:
    reading = read([WHOLE[page]], with_total("16Gi"))
    card = reading.cards[0]
    assert reading.problems == ()
    assert card.total_source == "measured"
    assert mib(card.total_bytes) == (14910 if page == "dcgm that lacks the driver's share" else 15360)
    assert (mib(card.used_bytes), mib(card.free_bytes)) == (used, free)
    assert card.reserved_bytes == (None if reserved is None else reserved * MIB)
    assert card.age_seconds == 5
    # Nobody names a pod, so all of the use is somebody else's.
    assert held(reading) == {None: used}
    assert others(reading) == used


def with_total(total: str, **card: str) -> dict[str, Any]:
    return plan(cards=[{"name": "t4", "total": total, **card}])


def test_a_declared_total_only_lowers_the_measured_one() -> None:
    low, high = (read([dcgm(CARD)], with_total(total)).cards[0] for total in ("12Gi", "16Gi"))
    assert (low.total_bytes, low.free_bytes) == (12 * GIB, 12 * GIB - low.used_bytes - 450 * MIB)
    assert high.total_bytes == 15360 * MIB


def test_captured_figures_of_an_l40s() -> None:
    """The figures of nvidia_gpu_exporter's capture linux-x86_64__nvidia-l40s__595.80__load, with its zeroed UUID."""
    uuid = {"uuid": "00000000-0000-0000-0000-000000000000"}
    facts = {"free": 4.63732736e10, "reserved": 6.38582784e08, "total": 4.8305799168e10, "used": 1.29499136e09}
    series = [Series(f"nvidia_smi_memory_{name}_bytes", uuid, value) for name, value in facts.items()]
    series += [
        Series("nvidia_smi_gpu_info", {**uuid, "name": "NVIDIA L40S", "index": "0"}, 1),
        Series("nvidia_smi_last_collect_success", {}, 1),
        Series("nvidia_smi_compute_app_used_memory_bytes", {**uuid, "pid": "20037", "process_name": "ffmpeg"}, 5.6e8),
    ]
    reading = read([Page("nvidia-gpu-exporter", tuple(series), target={})], plan(cards=[{"name": "l40s"}], tenants=[]))
    card = reading.cards[0]
    assert reading.problems == ()
    assert (card.model, card.total_source) == ("NVIDIA L40S", "measured")
    assert (mib(card.total_bytes), mib(card.reserved_bytes or 0), mib(card.used_bytes)) == (46068, 609, 1235)
    assert mib(card.free_bytes) == 46068 - 609 - 1235


@pytest.mark.parametrize("cards", [[], [{"name": "t4"}]])
def test_hami_tells_no_total(cards: list[dict[str, str]]) -> None:
    assert codes(read([hami(CARD, STT)], plan(cards=cards))) == {"no_card"}


def test_hami_with_a_declared_total() -> None:
    reading = read([hami(CARD, STT)], with_total("15Gi"))
    assert reading.problems == ()
    assert (reading.cards[0].total_source, mib(reading.cards[0].used_bytes)) == ("declared", CARD.used + 450)
    assert held(reading) == {"stt": 1500, None: CARD.used + 450 - 1500}


def test_hami_pods_count_even_where_nobody_measures_their_card() -> None:
    page = hami(CARD, STT, TTS, ("alien", "alien-1", 3000))
    only_pods = replace(page, series=tuple(series for series in page.series if "vgpu" in series.metric))
    reading = read([only_pods], with_total("15Gi"))
    assert held(reading) == {"stt": 1500, "tts": 4000, None: 3000}
    assert mib(reading.cards[0].used_bytes) == 8500


# --- dcgm-exporter under time-slicing


@pytest.mark.parametrize("mode", ["device", "copied", "own"])
@pytest.mark.parametrize("honor_labels", [True, False])
@pytest.mark.parametrize("hostname", ["Hostname", "hostname"])
@pytest.mark.parametrize("prefix", ["", "nvidia_tesla_t4_"])
def test_dcgm_knows_the_card_in_each_of_its_behaviours(
    mode: str, honor_labels: bool, hostname: str, prefix: str
) -> None:
    pods = [STT, ("immich", "immich-ml-1", 2150.0)] if mode != "device" else []
    page = dcgm(CARD, pods=pods, mode=mode, hostname=hostname, prefix=prefix, honor_labels=honor_labels, target=POD)
    reading = read([page])
    card = reading.cards[0]
    assert reading.problems == ()
    assert (mib(card.used_bytes), mib(card.total_bytes), mib(card.reserved_bytes or 0)) == (CARD.used, 15360, 450)
    assert card.node == "gpu-1"
    own = {"stt": 1500, "immich-ml": 2150, None: CARD.used - 3650}
    assert held(reading) == (own if mode == "own" else {None: CARD.used})


@pytest.mark.parametrize("honor_labels", [True, False])
@pytest.mark.parametrize(
    ("mode", "sizes"),
    [
        ("copied", [1, 1]),  # the card's own number for every pod
        ("copied", [1]),
        ("own", [0, 0]),  # no process could be mapped to a pod
        ("own", [CARD.used]),  # one pod that holds as much as the card: may be a copy
        ("own", [4000, 4000]),  # more than the card uses
    ],
)
def test_dcgm_numbers_of_pods_that_cannot_be_theirs_count_as_others(
    mode: str, sizes: list[float], honor_labels: bool
) -> None:
    names = [("tts", "chatterbox-tts-1"), ("portal-stt", "speaches-1")]
    pods = [(*name, size) for name, size in zip(names, sizes, strict=False)]
    reading = read([dcgm(CARD, pods=pods, mode=mode, honor_labels=honor_labels, target=POD)])
    assert reading.problems == ()
    assert held(reading) == {None: CARD.used}
    assert others(reading) == CARD.used
    assert any("counts as others'" in note for note in reading.notes)


def test_what_cannot_be_told_on_one_card_takes_nothing_from_the_others() -> None:
    first = dcgm(Card(used=3650, uuid="GPU-a"), pods=[STT, ("immich", "immich-ml-1", 2150.0)], mode="own")
    alone = dcgm(Card(used=1000, uuid="GPU-b"), pods=[("alien", "alien-1", 1000.0)], mode="own", instance="b:9400")
    cards = [{"name": "a", "uuid": "GPU-a"}, {"name": "b", "uuid": "GPU-b"}]
    tenants = [{**tenant, "card": "a"} for tenant in plan()["tenants"]]
    for declared in (cards, cards[:1]):
        store = Store([first, alone])
        reading = read(store, {**plan(), "cards": declared, "tenants": tenants})
        assert reading.problems == ()
        assert {r.tenant: mib(r.used_bytes) for r in reading.residents if r.card == "a"} == {
            "stt": 1500,
            "immich-ml": 2150,
        }
        assert any("from that of the card GPU-b" in note for note in reading.notes)
        assert 'UUID=~"GPU-a"' in store.asked[2][0].replace("\\", "")


def test_an_exporter_that_is_scraped_as_a_pod_and_as_a_service_counts_once() -> None:
    again = replace(PODS, instance="gpu-pod-exporter.monitoring.svc:9401")
    assert held(read([DEVICE, PODS, again])) == held(read([DEVICE, PODS]))


@pytest.mark.parametrize(("used", "found"), [(0, {"not_a_size"}), (1, set())])
def test_an_exporter_that_says_zero_when_it_fails_is_not_believed_alone(used: float, found: set[str]) -> None:
    assert codes(read([llama_swap(replace(CARD, used=used))])) == found
    assert codes(read([llama_swap(replace(CARD, used=0)), nvitop(replace(CARD, used=0))])) == set()


def test_the_drivers_share_counts_where_the_free_part_is_not_told() -> None:
    page = dcgm(CARD)
    less = replace(page, series=tuple(series for series in page.series if not series.metric.endswith("FREE")))
    card = read([less]).cards[0]
    assert (card.total_source, mib(card.reserved_bytes or 0)) == ("declared", 450)
    assert mib(card.free_bytes) == 15360 - 450 - CARD.used


@pytest.mark.parametrize(("late", "found"), [(120, set()), (121, {"stale"}), (-121, {"stale"})])
def test_an_answer_that_somebody_kept_is_no_answer_of_now(late: float, found: set[str]) -> None:
    reading = measure(Store(pages()), parse_plan(plan()), Options(), now=NOW + late)
    assert codes(reading) == found
    assert all("this machine's clock, max_age is 2m" in problem.message for problem in reading.problems)


def test_a_pod_with_several_slices_counts_once() -> None:
    page = dcgm(CARD, pods=[STT, ("immich", "immich-ml-1", 2150.0)], mode="own")
    slices = [
        series.with_labels(vgpu=str(number)) for series in page.series if "pod" in series.labels for number in range(3)
    ]
    whole = [series for series in page.series if "pod" not in series.labels]
    reading = read([replace(page, series=(*whole, *slices))])
    assert held(reading) == {"stt": 1500, "immich-ml": 2150, None: CARD.used - 3650}


def test_the_exporters_own_pod_holds_nothing() -> None:
    """With honor_labels the card's series carries the exporter's own pod, as if that held all of it."""
    claimed = with_tenant("stt", namespace="gpu-operator")
    reading = read([dcgm(CARD, honor_labels=True, target=POD)], claimed)
    assert held(reading) == {None: CARD.used}


# --- two exporters


@pytest.mark.parametrize("card", list(WHOLE))
@pytest.mark.parametrize("honor_labels", [True, False])
def test_one_knows_the_card_and_one_the_pods(card: str, honor_labels: bool) -> None:
    reading = read([WHOLE[card], gpu_pod_exporter(*HOLDERS, honor_labels=honor_labels)])
    mine = {tenant: size for tenant, size in held(reading).items() if tenant}
    assert reading.problems == ()
    assert mine == {"stt": 1500, "immich-ml": 2150, "frigate": 1920, "android-emulator": 150}
    # The older call's use holds the driver's share, which no pod holds.
    assert others(reading) == (466 if card == "nvitop" else 0)


@pytest.mark.parametrize("one", list(WHOLE))
@pytest.mark.parametrize("other", list(WHOLE))
def test_two_honest_exporters_of_one_card_agree(one: str, other: str) -> None:
    reading = read([WHOLE[one], replace(WHOLE[other], job="second")])
    assert reading.problems == ()
    assert len(reading.cards) == 1
    told = {WHOLE[one].series[0].metric[:6], WHOLE[other].series[0].metric[:6]}
    if told & {"nvidia"} or "dcgm" in (one, other):
        assert reading.cards[0].reserved_bytes == 450 * MIB


@pytest.mark.parametrize("off_by", [-4000, 4000])
@pytest.mark.parametrize("other", [nvidia_gpu_exporter, nvitop, llama_swap])
def test_two_exporters_of_one_card_that_contradict_each_other(other: Callable[[Card], Page], off_by: float) -> None:
    reading = read([dcgm(CARD), other(replace(CARD, used=CARD.used + off_by))])
    assert codes(reading) == {"contradiction"}
    assert reading.cards == ()
    assert "dcgm" in reading.problems[0].message


def test_two_exporters_that_contradict_each_other_on_the_total() -> None:
    reading = read([dcgm(CARD), nvidia_gpu_exporter(replace(CARD, total=24564))])
    assert codes(reading) == {"contradiction"}


def test_pods_that_hold_more_than_the_card_uses_contradict_it() -> None:
    reading = read([dcgm(Card(used=HELD - 300)), gpu_pod_exporter(*HOLDERS)])
    assert codes(reading) == {"contradiction"}
    assert "pods hold 5.59 GiB together" in reading.problems[0].message


def test_what_the_card_uses_beyond_its_pods_counts_as_others() -> None:
    reading = read([dcgm(Card(used=HELD + 3000)), gpu_pod_exporter(*HOLDERS)])
    assert reading.problems == ()
    assert others(reading) == 3000


def test_a_declared_total_below_what_is_used_is_a_contradiction() -> None:
    smaller = with_total("5Gi")
    assert codes(read([gpu_pod_exporter(*HOLDERS)], smaller)) == {"contradiction"}
    assert codes(read([dcgm(CARD)], smaller)) == {"contradiction"}


# --- faults: blind with this reason, or counted as others'


def altered(page: Page, change: Callable[[Series], Series | None], only: str = "") -> Page:
    """Return the page with its series changed, those whose name holds ``only``."""
    changed = (change(series) if only in series.metric else series for series in page.series)
    return replace(page, series=tuple(series for series in changed if series is not None))


def valued(value: float) -> Callable[[Series], Series]:
    return lambda series: replace(series, value=value)


def times(factor: float) -> Callable[[Series], Series]:
    return lambda series: replace(series, value=series.value * factor)


DEVICE, PODS = dcgm(CARD), gpu_pod_exporter(*HOLDERS)
NVIDIA = nvidia_gpu_exporter(CARD)
SENTINELS = [math.nan, math.inf, -math.inf, -1.0, 1e308, 9223372036854775794.0, 18446744073709551615 / 2**20]
FAULTS: list[tuple[str, list[Page], set[str]]] = [
    ("nobody speaks", [], {"no_series"}),
    ("somebody else's Prometheus", [Page("node", (Series("node_load1", {}, 1),))], {"no_series"}),
    ("empty but 200", [replace(DEVICE, series=())], {"no_series"}),
    *((f"use of {value}", [altered(DEVICE, valued(value), "USED"), PODS], {"not_a_size"}) for value in SENTINELS),
    *((f"free of {value}", [altered(DEVICE, valued(value), "FREE"), PODS], {"not_a_size"}) for value in SENTINELS),
    *((f"reserve of {value}", [altered(DEVICE, valued(value), "RES"), PODS], {"not_a_size"}) for value in SENTINELS),
    *((f"a pod's use of {value}", [DEVICE, altered(PODS, valued(value))], {"not_a_size"}) for value in SENTINELS[:4]),
    *((f"a pod's use of {value}", [DEVICE, altered(PODS, valued(value))], {"not_a_size"}) for value in (1e308, 1e19)),
    ("a pod's use of 16 TiB", [DEVICE, altered(PODS, valued(2.0**44))], {"contradiction"}),
    ("bytes for MiB", [altered(DEVICE, times(MIB)), PODS], {"implausible_total"}),
    ("use in bytes for MiB", [altered(DEVICE, times(MIB), "USED"), PODS], {"implausible_total"}),
    ("free in bytes for MiB", [altered(DEVICE, times(MIB), "FREE"), PODS], {"implausible_total"}),
    ("MiB for bytes", [altered(NVIDIA, times(1 / MIB), "memory"), PODS], {"implausible_total"}),
    ("KiB for bytes", [altered(NVIDIA, times(1 / 1024), "memory"), PODS], {"implausible_total"}),
    ("use in MiB for bytes", [altered(NVIDIA, times(1 / MIB), "used"), PODS], {"contradiction"}),
    ("pods in MiB for bytes", [DEVICE, altered(PODS, times(1 / MIB))], {"implausible_use"}),
    ("pods in MiB for bytes, no card", [altered(PODS, times(1 / MIB))], {"implausible_use"}),
    ("pods in bytes for MiB", [DEVICE, altered(PODS, times(MIB))], {"contradiction"}),
    ("pods in bytes for MiB, no card", [altered(PODS, times(MIB))], {"contradiction"}),
    ("more used than there is", [altered(NVIDIA, valued(20000 * MIB), "used"), PODS], {"contradiction"}),
    ("parts that are not the whole", [altered(NVIDIA, valued(20 * MIB), "free"), PODS], {"contradiction"}),
    ("a card of 512 MiB", [dcgm(Card(used=10, total=512, reserved=2))], {"implausible_total"}),
    ("no label of the card", [altered(DEVICE, lambda series: series.without("UUID")), PODS], {"missing_label"}),
    (
        "one series without it",
        [altered(DEVICE, lambda series: series.without("UUID"), "FREE"), PODS],
        {"missing_label"},
    ),
    (
        "an empty label of the card",
        [altered(DEVICE, lambda series: series.with_labels(UUID="")), PODS],
        {"missing_label"},
    ),
    ("no use", [altered(DEVICE, lambda _series: None, "USED"), PODS], {"missing_metric"}),
    ("stale card", [altered(DEVICE, lambda series: replace(series, age=121)), PODS], {"source_silent"}),
    ("stale everything", [altered(DEVICE, lambda series: replace(series, age=121))], {"stale"}),
    ("a sample of the future", [altered(DEVICE, lambda series: replace(series, age=-121)), PODS], {"stale"}),
    ("a card's target is down", [replace(DEVICE, up=0), PODS], {"target_down"}),
    ("a pods' target is down", [DEVICE, replace(PODS, up=0)], {"target_down"}),
    (
        "a pods' target is down and silent",
        [DEVICE, altered(replace(PODS, up=0), lambda s: replace(s, age=400))],
        {"source_silent"},
    ),
    (
        "one of two pods' targets is down and silent",
        [DEVICE, PODS, altered(replace(PODS, up=0, instance="b"), lambda series: replace(series, age=400))],
        {"target_down"},
    ),
    ("an `up` of NaN", [replace(DEVICE, up=math.nan), PODS], {"target_down"}),
    ("its last look failed", [nvidia_gpu_exporter(CARD, success=0), PODS], {"collection_failed"}),
    ("its success is unknown", [nvidia_gpu_exporter(CARD, success=math.nan), PODS], {"collection_failed"}),
    *(
        (f"its last look was at {at}", [nvidia_gpu_exporter(CARD, collected_at=at), PODS], {"stale"})
        for at in (NOW - 121, NOW + 121, 0, math.nan, math.inf, -math.inf, 1e300)
    ),
    ("another node", [dcgm(replace(CARD, node="gpu-9")), PODS], {"card_missing"}),
]


@pytest.mark.parametrize(("name", "scraped", "expected"), FAULTS, ids=[name for name, _pages, _codes in FAULTS])
def test_fault_blinds_with_its_reason(name: str, scraped: list[Page], expected: set[str]) -> None:
    reading = read(scraped)
    assert codes(reading) == expected, name
    assert reading.cards == ()
    assert reading.residents == ()
    assert all(0 < len(problem.message) < 700 and problem.message.isprintable() for problem in reading.problems)


OTHERS: list[tuple[str, list[Page], float]] = [
    ("an `unknown` pod", pages(("unknown", "unknown", 2000)), 2000),
    ("a host process", pages(("host", "host", 2000)), 2000),
    ("a process without a pod", pages(("", "", 2000)), 2000),
    ("an unknown pod of a tenant's namespace", pages(("tts", "unknown", 2000)), 2000),
    ("an undeclared pod", pages(("alien", "alien-1", 2000)), 2000),
    ("pods without labels", [DEVICE, altered(PODS, lambda s: s.without("namespace", "pod", "container"))], CARD.used),
    ("pods without labels, no card", [altered(PODS, lambda s: s.without("namespace", "pod", "container"))], HELD),
    (
        "one pod without labels, no card",
        [replace(PODS, series=(PODS.series[0].without("namespace", "pod"), *PODS.series[1:]))],
        1500,
    ),
    ("no exporter of pods", [DEVICE], CARD.used),
]


@pytest.mark.parametrize(("name", "scraped", "size"), OTHERS, ids=[name for name, _pages, _size in OTHERS])
@pytest.mark.parametrize("honor_labels", [True, False])
def test_fault_counts_as_others(name: str, scraped: list[Page], size: float, honor_labels: bool) -> None:
    reading = read([replace(page, honor_labels=honor_labels) for page in scraped])
    assert reading.problems == (), name
    assert abs(others(reading) - size) <= 16
    assert "tts" not in held(reading)


@pytest.mark.parametrize("shift", [0.0, 300.0])
def test_two_replicas_of_prometheus_count_once(shift: float) -> None:
    """Behind a querier that does not deduplicate, every series comes twice, and not of the same instant."""
    replicas: list[tuple[dict[str, str], float]] = [({"replica": "a"}, 0.0), ({"replica": "b"}, 0.0)]
    reading = read(Store(pages(), replicas=replicas))
    assert reading.problems == ()
    assert mib(reading.cards[0].used_bytes) == CARD.used
    assert held(reading)["frigate"] == 1920
    replicas[1] = ({"replica": "b"}, shift * MIB)
    later = read(Store([gpu_pod_exporter(STT)], replicas=replicas))
    assert held(later)["stt"] == 1500 + shift


def test_the_same_series_twice_counts_once() -> None:
    reading = read([DEVICE, replace(PODS, series=PODS.series + PODS.series)])
    assert held(reading)["frigate"] == 1920


def test_an_untold_age_blinds() -> None:
    class Forgetful(Store):
        def _facts(self, wanted: re.Pattern[str], lookback_delta: int | None) -> Any:
            return (
                fact for fact in super()._facts(wanted, lookback_delta) if not fact[0]["vram_part"].startswith("at:")
            )

    assert codes(read(Forgetful(pages()))) == {"age_unknown"}


@pytest.mark.parametrize("at", [math.nan, math.inf, -math.inf])
def test_an_impossible_age_blinds(at: float) -> None:
    class Confused(Store):
        def _facts(self, wanted: re.Pattern[str], lookback_delta: int | None) -> Any:
            for labels, value in super()._facts(wanted, lookback_delta):
                yield labels, at if labels["vram_part"].startswith("at:") else value

    assert codes(read(Confused(pages()))) == {"age_unknown"}


@pytest.mark.parametrize("old", ["card", "pods", "both"])
def test_an_old_prometheus_that_looks_back_further_than_asked_is_seen_through(old: str) -> None:
    device, pods = (altered(page, lambda series: replace(series, age=121)) for page in (DEVICE, PODS))
    scraped = [DEVICE if old == "pods" else device, PODS if old == "card" else pods]
    reading = read(Store(scraped, heeds_lookback=False))
    assert codes(reading) == {"stale"}
    assert "2m1s old, max_age is 2m" in reading.problems[0].message


def test_a_source_that_spoke_minutes_ago_is_missed() -> None:
    spoke = [("gpu_pod_memory_used_bytes", {"job": "gpu-pod-exporter", "instance": "x"})]
    assert codes(read(Store([DEVICE], recent=spoke))) == {"source_silent"}
    assert read(Store([dcgm(Card(used=100))], recent=spoke)).problems == ()


def test_who_fell_silent_is_named() -> None:
    reading = read(Store([], recent=[("DCGM_FI_DEV_FB_USED", {"job": "dcgm", "instance": "x"})]))
    assert codes(reading) == {"stale"}
    assert "DCGM_FI_DEV_FB_USED" in reading.problems[0].message


# --- several cards

EIGHT = [Card(used=2000 + number, uuid=f"GPU-{number:04}", node="gpu-1") for number in range(8)]
DECLARED = [{"name": f"c{number}", "uuid": f"{number:04}"} for number in range(8)]


def many(**tenant: Any) -> dict[str, Any]:
    base = {"name": "stt", "mode": "warm", "peak": "2Gi", "namespace": "portal-stt", "card": "c3"}
    return {"cards": DECLARED, "tenants": [{**base, **tenant}]}


def test_eight_cards_are_eight_cards() -> None:
    reading = read([dcgm(*EIGHT)], many())
    assert reading.problems == ()
    assert [(card.name, mib(card.used_bytes)) for card in reading.cards] == [(f"c{n}", 2000 + n) for n in range(8)]


def test_residents_without_a_card_label_belong_to_the_card_of_their_tenant() -> None:
    reading = read([dcgm(*EIGHT), gpu_pod_exporter(STT)], many())
    assert [resident.card for resident in reading.residents if resident.tenant] == ["c3"]
    assert mib(reading.others["c3"]) == 503
    assert mib(reading.others["c4"]) == 2004


def test_an_undeclared_resident_without_a_card_label_counts_on_every_card() -> None:
    reading = read([dcgm(*EIGHT), gpu_pod_exporter(("alien", "alien-1", 1000))], many())
    assert [resident.card for resident in reading.residents if resident.pod] == [None]
    assert [mib(reading.others[f"c{number}"]) for number in range(8)] == [3000 + number for number in range(8)]


def test_residents_with_a_card_label_stay_on_their_card() -> None:
    pods = [hami(card, ("portal-stt", f"speaches-{n}", 500), instance=f"h{n}") for n, card in enumerate(EIGHT[:2])]
    reading = read([dcgm(*EIGHT), *pods], many(card="c0"))
    assert [(r.card, r.tenant) for r in reading.residents if r.pod] == [("c0", "stt"), ("c1", "stt")]


def test_a_tenant_on_a_card_not_its_own_counts_there_too() -> None:
    reading = read([dcgm(*EIGHT), hami(EIGHT[1], ("portal-stt", "speaches-1", 1900))], many(card="c0"))
    assert mib(reading.others["c1"]) == 1900
    assert any("stt is declared on card c0 and holds 1.86 GiB on card c1" in note for note in reading.notes)


def test_one_card_missing() -> None:
    reading = read([dcgm(*EIGHT[:5], *EIGHT[6:])], many())
    assert codes(reading) == {"card_missing"}
    assert "card c5 (uuid 0005)" in reading.problems[0].message


def test_one_undeclared_card_that_was_there_minutes_ago_is_missed() -> None:
    gone = [("DCGM_FI_DEV_FB_USED", {"job": "dcgm", "instance": "x", "UUID": "GPU-0001"})]
    store = Store([dcgm(EIGHT[0])], recent=gone)
    assert codes(read(store, {"tenants": [{**many()["tenants"][0], "card": None}]})) == {"card_missing"}
    assert read(store, {**many(card="c0"), "cards": DECLARED[:1]}).problems == ()


def test_a_faulty_card_outside_the_plan_does_not_matter() -> None:
    page = dcgm(EIGHT[0], replace(EIGHT[1], used=math.nan))
    assert read([page], {**many(card="c0"), "cards": DECLARED[:1]}).problems == ()
    assert codes(read([page], {**many(card="c0"), "cards": DECLARED[:2]})) == {"not_a_size"}


@pytest.mark.parametrize(
    ("value", "where", "text"),
    [
        ({"tenants": [{**many()["tenants"][0], "card": None}]}, "tenants[0].card", "several cards were found"),
        ({"tenants": many()["tenants"]}, "tenants[0].card", "'c3' was not found"),
        ({"cards": [{"name": "a", "node": "gpu-1"}]}, "cards.a", "say which by uuid: GPU-0000"),
    ],
)
def test_a_plan_that_does_not_say_which_card_is_refused(value: dict[str, Any], where: str, text: str) -> None:
    with pytest.raises(InputError) as caught:
        read([dcgm(*EIGHT)], value)
    assert caught.value.where == where
    assert text in str(caught.value)


def test_one_card_cannot_be_declared_as_two() -> None:
    twice = {"cards": [{"name": "a", "node": "gpu-1"}, {"name": "b", "uuid": EIGHT[0].uuid}]}
    with pytest.raises(InputError, match="is the same card as a; it is GPU-0000 for both"):
        read([dcgm(EIGHT[0])], twice)


def test_several_cards_with_nothing_to_tell_them_by() -> None:
    value = {"cards": [{"name": "a"}, {"name": "b"}]}
    assert codes(read([dcgm(*EIGHT[:2])], value)) == {"card_missing"}


@pytest.mark.parametrize("card", [None, "mine"])
def test_a_single_card_needs_no_declaration(card: str | None) -> None:
    reading = read([dcgm(CARD), PODS], {"tenants": [{**many()["tenants"][0], "card": card}]})
    assert reading.problems == ()
    assert [found.name for found in reading.cards] == [card or CARD.uuid]


def test_a_node_label_is_not_asked_of_the_only_card() -> None:
    assert read([nvidia_gpu_exporter(CARD), PODS]).problems == ()


# --- hostile names

HOSTILE = ['a"} or vector(0)', "a\\", "a\nb", "\x1b[2J", ".*", "(", "é" * 10_000, "{{ x }}"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_pods_are_data(name: str) -> None:
    reading = read(pages((name, name, 2000)))
    assert reading.problems == ()
    assert [r.pod for r in reading.residents if r.tenant is None] == [name]
    assert others(reading) == 2000


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_in_problems_stay_short_and_in_one_line(name: str) -> None:
    broken = gpu_pod_exporter((name, name, math.nan), instance=name)
    wrong = [
        replace(dcgm(replace(CARD, uuid=name, used=math.nan)), instance=name, up=0),
        broken,
        nvidia_gpu_exporter(replace(CARD, uuid=name), success=0, instance=name),
    ]
    reading = read(wrong, plan(cards=[]))
    assert reading.problems
    assert all(len(p.message) < 700 and p.message.isprintable() for p in reading.problems)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "cards", [[], [{"name": "t4"}], [{"name": "a", "node": "gpu-1"}, {"name": "b", "node": "gpu-2"}]]
)
def test_hostile_names_in_refusals_stay_short_and_in_one_line(name: str, cards: list[dict[str, str]]) -> None:
    twins = [dcgm(replace(CARD, uuid=f"{name}{number}")) for number in range(2 if len(cards) < 2 else 1)]
    if len(cards) == 2:
        twins = [altered(twins[0], lambda series: series.with_labels(node="gpu-2"))]
    value = {"cards": cards, "tenants": [{**many()["tenants"][0], "card": cards[0]["name"] if cards else None}]}
    with pytest.raises(InputError) as caught:
        read([replace(page, job=str(number)) for number, page in enumerate(twins)], value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 700


def test_order_of_series_does_not_matter() -> None:
    scraped = [dcgm(*EIGHT, pods=[STT], mode="own"), PODS, nvitop(*EIGHT)]
    backwards = [replace(page, series=page.series[::-1]) for page in scraped[::-1]]
    assert read(scraped, many()) == read(backwards, many())


@pytest.mark.parametrize("profile", [profile.name for profile in PROFILES])
def test_a_chosen_profile_reads_nothing_else(profile: str) -> None:
    everybody = [*WHOLE.values(), PODS, hami(CARD, STT)]
    reading = read(
        Store([replace(page, job=str(n)) for n, page in enumerate(everybody)], peaks=pod_peaks()), profile=profile
    )
    assert {card.profile for card in reading.cards} <= {profile, None}
