"""The pages, by the official parser: names, labels, units, and what time-slicing makes of dcgm-exporter."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from dev.card.exporters import EXPORTERS
from dev.card.exporters.exposition import Family, Sample, render
from dev.card.exporters.settings import DcgmSettings, GpuPodSettings, NvidiaGpuSettings, Settings
from dev.card.pods import Held, Pod
from dev.card.scenario import MIB, Card, FixedPod, Host, Load, Match, Scenario, Workload
from dev.card.simulate import CardState, Overrides, simulate

if TYPE_CHECKING:
    from prometheus_client import Metric

BOOT = 1_000_000.0
T4 = Card("t4", "gpu-1", "GPU-00000000-0000-0000-0000-00000000000a", "Tesla T4", 0, 15360, 450, 16, "580.95.05")
L4 = Card("l4", "gpu-1", "GPU-00000000-0000-0000-0000-00000000000b", "NVIDIA L4", 1, 23034, 470, 0, "580.95.05")
WORKLOADS = (
    Workload("stt", "t4", Match(re.compile("stt"), re.compile(".*")), Load(1536)),
    Workload("frigate", "t4", FixedPod("frigate", "frigate-0", "frigate"), Load(1900), processes=8),
    Workload("llama", "t4", FixedPod("llama", "llama-0", "main", slices=2), Load(0)),
    Workload("desktop", "t4", Host(), Load(200), process_name="/usr/lib/xorg/Xorg", graphics=True),
    Workload("miner", "t4", Host(), Load(64), process_name="xmrig"),
)
PODS = {
    "u1": Pod("u1", "stt", "speaches-1", "gpu-1", "main", 1, BOOT, running=True, ready=True, terminating=False),
    "u2": Pod("u2", "stt", "speaches-2", "gpu-1", "main", 0, BOOT + 100, running=True, ready=True, terminating=False),
}
USED = 1536 * 2 + 1900 + 200 + 64 + 16


def states(*, gone_at: float | None = None, leak: float = 0.0) -> tuple[CardState, ...]:
    workloads = (replace(WORKLOADS[0], leak_seconds=leak), *WORKLOADS[1:])
    ledger = {uid: Held(pod, gone_at if uid == "u1" else None) for uid, pod in PODS.items()}
    return simulate(Scenario((T4, L4), workloads), BOOT, ledger, Overrides(), BOOT + 130)


def parsed(exporter: str, settings: Settings, cards: tuple[CardState, ...] | None = None) -> dict[str, Metric]:
    text = EXPORTERS[exporter].page(states() if cards is None else cards, settings, "none", BOOT + 130)
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_gpu_pod_exporter_tells_processes_in_bytes() -> None:
    page = parsed("gpu-pod-exporter", GpuPodSettings())
    assert list(page) == ["gpu_pod_memory_used_bytes"]
    metric = page["gpu_pod_memory_used_bytes"]
    assert (metric.type, metric.documentation) == ("gauge", "GPU memory used by pod")
    assert all(list(one.labels) == ["namespace", "pod", "container", "process_name", "pid"] for one in metric.samples)
    by_pod: dict[str, list[float]] = {}
    for one in metric.samples:
        by_pod.setdefault(f"{one.labels['namespace']}/{one.labels['pod']}", []).append(one.value)
    assert {name: (len(values), sum(values)) for name, values in by_pod.items()} == {
        "stt/speaches-1": (1, 1536 * MIB),
        "stt/speaches-2": (1, 1536 * MIB),
        "frigate/frigate-0": (8, 1900 * MIB),
        "unknown/unknown": (1, 64 * MIB),
    }, "an idle pod holds no context, and a graphics context is no compute process"


@pytest.mark.parametrize(("delay", "unknown"), [(0, 1), (30, 1), (31, 2), (60, 2), (200, 3)])
def test_a_new_pod_is_unknown_for_a_while_but_an_old_resident_is_not(delay: float, unknown: int) -> None:
    page = parsed("gpu-pod-exporter", GpuPodSettings(attribution_delay_seconds=delay))
    namespaces = [one.labels["namespace"] for one in page["gpu_pod_memory_used_bytes"].samples]
    assert (namespaces.count("unknown"), namespaces.count("frigate")) == (unknown, 8)


def test_leaked_vram_has_no_name() -> None:
    page = parsed("gpu-pod-exporter", GpuPodSettings(), states(gone_at=BOOT + 120, leak=60))
    sizes = [one.value for one in page["gpu_pod_memory_used_bytes"].samples if one.labels["pod"] == "unknown"]
    assert sorted(sizes) == [64 * MIB, 1536 * MIB]


def dcgm(settings: DcgmSettings, name: str = "DCGM_FI_DEV_FB_USED") -> list[tuple[str, str, float]]:
    """(card, pod, value) of each series, without the card's where it has no pods."""
    samples = parsed("dcgm", settings)[settings.prefix + name].samples
    return [(one.labels["gpu"], one.labels.get("pod", ""), one.value) for one in samples]


def test_dcgm_device_mode_has_one_series_a_card_in_mib() -> None:
    page = parsed("dcgm", DcgmSettings())
    assert list(page) == ["DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_RESERVED"]
    values = [[one.value for one in metric.samples] for metric in page.values()]
    assert values == [[15360 - 450 - USED, 23034 - 470], [USED, 0], [450, 470]]
    assert page["DCGM_FI_DEV_FB_USED"].documentation == "Framebuffer memory used (in MiB)."
    assert page["DCGM_FI_DEV_FB_USED"].samples[0].labels == {
        "gpu": "0",
        "UUID": T4.uuid,
        "pci_bus_id": "00000000:01:00.0",
        "device": "nvidia0",
        "modelName": "Tesla T4",
        "Hostname": "gpu-1",
        "DCGM_FI_DRIVER_VERSION": "580.95.05",
    }


def test_dcgm_copies_the_card_to_every_pod_with_slices_and_loses_idle_cards() -> None:
    copies = [("0", "frigate-0", USED), ("0", "llama-0", USED), ("0", "speaches-1", USED)]
    assert dcgm(DcgmSettings(mode="copied", vgpu=False)) == copies
    assert sorted(dcgm(DcgmSettings(mode="copied"))) == sorted([*copies, ("0", "llama-0", USED)]), "one series a slice"


def test_dcgm_per_pod_has_the_card_and_what_each_pod_holds() -> None:
    own = [("0", "frigate-0", 1900), ("0", "llama-0", 0), ("0", "speaches-1", 1536)]
    settings = DcgmSettings(mode="per_pod", vgpu=False)
    assert dcgm(settings) == [("0", "", USED), *own, ("1", "", 0)]
    free = [("0", pod, 15360 - 450 - USED) for _, pod, _ in own]
    assert dcgm(settings, "DCGM_FI_DEV_FB_FREE") == [*free, ("1", "", 23034 - 470)], "free is still copied"


def test_dcgm_slices_of_one_pod_differ_in_vgpu_only() -> None:
    samples = parsed("dcgm", DcgmSettings(mode="per_pod"))["DCGM_FI_DEV_FB_USED"].samples
    slices = [one for one in samples if one.labels.get("pod") == "llama-0"]
    assert len(slices) == 2
    first, second = ({**one.labels} for one in slices)
    assert first.pop("vgpu") != second.pop("vgpu")
    assert first == second
    assert list(slices[0].labels)[-5:] == ["container", "namespace", "pod", "pod_uid", "vgpu"]


def test_dcgm_knows_no_pod_that_is_gone_although_its_vram_is_used() -> None:
    page = parsed("dcgm", DcgmSettings(mode="per_pod", vgpu=False), states(gone_at=BOOT + 120, leak=60))
    samples = page["DCGM_FI_DEV_FB_USED"].samples
    found = {one.labels.get("pod", ""): one.value for one in samples if one.labels["gpu"] == "0"}
    assert found == {"": USED, "frigate-0": 1900, "llama-0": 0}


def test_dcgm_of_another_version_and_relabelled() -> None:
    page = parsed("dcgm", DcgmSettings(hostname_label="hostname", prefix="nvidia_tesla_t4_"))
    labels = page["nvidia_tesla_t4_DCGM_FI_DEV_FB_USED"].samples[0].labels
    assert ("hostname" in labels, "Hostname" in labels) == (True, False)


def test_nvidia_gpu_exporter_tells_cards_in_bytes_and_its_own_health() -> None:
    page = parsed("nvidia-gpu-exporter", NvidiaGpuSettings())
    assert list(page) == sorted(page)
    kinds = ("total", "used", "free", "reserved")
    sizes = {kind: page[f"nvidia_smi_memory_{kind}_bytes"].samples[0] for kind in kinds}
    assert {kind: one.value for kind, one in sizes.items()} == {
        "total": 15360 * MIB,
        "used": USED * MIB,
        "free": (15360 - 450 - USED) * MIB,
        "reserved": 450 * MIB,
    }
    assert sizes["used"].labels == {"uuid": T4.uuid.removeprefix("GPU-")}
    info = page["nvidia_smi_gpu_info"].samples
    assert [(one.labels["uuid"], one.labels["name"], one.labels["index"], one.value) for one in info] == [
        ("00000000-0000-0000-0000-00000000000a", "Tesla T4", "0", 1.0),
        ("00000000-0000-0000-0000-00000000000b", "NVIDIA L4", "1", 1.0),
    ]
    assert page["nvidia_smi_last_collect_success"].samples[0].value == 1
    assert page["nvidia_smi_last_collect_success_timestamp_seconds"].samples[0].value == BOOT + 130
    assert page["nvidia_smi_failed_scrapes"].type == "counter"
    assert not any("compute_app" in name for name in page)


def test_nvidia_gpu_exporter_lists_compute_processes_when_told() -> None:
    page = parsed("nvidia-gpu-exporter", NvidiaGpuSettings(compute_apps=True))
    used = page["nvidia_smi_compute_app_used_memory_bytes"].samples
    assert {one.labels["process_name"] for one in used} == {"python3", "xmrig"}
    assert sum(one.value for one in used) == (USED - 200 - 16) * MIB
    assert [one.value for one in page["nvidia_smi_compute_apps"].samples] == [11, 0]


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize(("node", "found"), [("", True), ("gpu-1", True), ("gpu-2", False)])
def test_a_page_of_one_node_has_its_cards_only(exporter: str, node: str, *, found: bool) -> None:
    settings = replace(EXPORTERS[exporter].defaults, node=node)
    page = parsed(exporter, settings).values()
    assert any(one.labels and one.value for metric in page for one in metric.samples) is found


LABELS = st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(), max_size=4)


@given(LABELS, st.one_of(st.integers(0, 2**62), st.floats(allow_nan=False)))
def test_what_is_written_is_what_the_official_parser_reads(labels: dict[str, str], value: float) -> None:
    text = render([Family("some_bytes", "Help", (Sample(tuple(labels.items()), value),))])
    ((sample,),) = [family.samples for family in text_string_to_metric_families(text)]
    assert (sample.name, sample.labels, sample.value) == ("some_bytes", labels, value)
