"""Faults as pure changes of a page: which exporter can have which, and what each says."""

from __future__ import annotations

import math

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from dev.card.exporters import EXPORTERS
from dev.card.exporters.faults import DCGM_BLANK
from dev.card.exporters.settings import DcgmSettings
from dev.card.scenario import MIB, Card, FixedPod, Load, Scenario, Workload
from dev.card.simulate import Overrides, simulate

BOOT = 1_000_000.0
T4 = Card("t4", "gpu-1", "GPU-00000000-0000-0000-0000-00000000000a", "Tesla T4", 0, 15360, 450, 0, "580.95.05")
CARDS = simulate(
    Scenario((T4,), (Workload("a", "t4", FixedPod("ns", "a-0", "main"), Load(1000)),)), BOOT, {}, Overrides(), BOOT
)
USED = {
    "gpu-pod-exporter": "gpu_pod_memory_used_bytes",
    "dcgm": "DCGM_FI_DEV_FB_USED",
    "nvidia-gpu-exporter": "nvidia_smi_memory_used_bytes",
}
UNIT = {"gpu-pod-exporter": MIB, "dcgm": 1, "nvidia-gpu-exporter": MIB}
EVERY = [
    *("none", "down", "http_500", "html", "slow", "frozen", "empty", "nan", "inf", "negative", "huge"),
    *("missing_labels", "mib_for_bytes", "bytes_for_mib", "duplicate_series", "renamed_metric", "zero_pods"),
    *("bad_escaping", "collect_failed"),
]
REFUSED = {
    "gpu-pod-exporter": {"bytes_for_mib", "collect_failed"},
    "dcgm": {"mib_for_bytes", "collect_failed"},
    "nvidia-gpu-exporter": {"bytes_for_mib", "zero_pods", "bad_escaping"},
}


def text(exporter: str, fault: str) -> str:
    kind = EXPORTERS[exporter]
    return kind.page(CARDS, kind.defaults, fault, BOOT)


def samples(page: str) -> list[Sample]:
    return [sample for family in text_string_to_metric_families(page) for sample in family.samples]


def used(exporter: str, fault: str) -> list[Sample]:
    return [sample for sample in samples(text(exporter, fault)) if sample.name == USED[exporter]]


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_each_exporter_has_the_faults_that_make_sense_for_it(exporter: str) -> None:
    assert list(EXPORTERS[exporter].faults) == [fault for fault in EVERY if fault not in REFUSED[exporter]]


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_values_lie(exporter: str) -> None:
    honest = 1000 * UNIT[exporter]
    assert [one.value for one in used(exporter, "none")] == [honest]
    assert [math.isnan(one.value) for one in used(exporter, "nan")] == [True]
    assert [one.value for one in used(exporter, "inf")] == [math.inf]
    assert [one.value for one in used(exporter, "negative")] == [-honest - 1]
    assert [one.value for one in used(exporter, "huge")] == [DCGM_BLANK]
    assert [one.value for one in used(exporter, "duplicate_series")] == [honest, honest + 1]
    assert len({str(one.labels) for one in used(exporter, "duplicate_series")}) == 1


def test_units_are_mixed_up() -> None:
    assert [one.value for one in used("gpu-pod-exporter", "mib_for_bytes")] == [1000]
    assert [one.value for one in used("nvidia-gpu-exporter", "mib_for_bytes")] == [1000]
    assert [one.value for one in used("dcgm", "bytes_for_mib")] == [1000 * MIB]


@pytest.mark.parametrize(
    ("exporter", "page"),
    [
        (
            "gpu-pod-exporter",
            "# HELP gpu_pod_memory_used_bytes GPU memory used by pod\n# TYPE gpu_pod_memory_used_bytes gauge\n",
        ),
        ("dcgm", ""),
        ("nvidia-gpu-exporter", ""),
    ],
)
def test_empty_is_a_page_without_series(exporter: str, page: str) -> None:
    assert text(exporter, "empty") == page


@pytest.mark.parametrize(
    ("exporter", "gone", "left"),
    [
        ("gpu-pod-exporter", {"namespace", "pod"}, {"container", "process_name", "pid"}),
        ("dcgm", {"UUID", "modelName", "Hostname"}, {"gpu", "pci_bus_id", "device", "DCGM_FI_DRIVER_VERSION"}),
        ("nvidia-gpu-exporter", {"uuid"}, set()),
    ],
)
def test_labels_are_missing(exporter: str, gone: set[str], left: set[str]) -> None:
    (sample,) = used(exporter, "missing_labels")
    assert set(sample.labels) == left
    (honest,) = used(exporter, "none")
    assert gone | left == set(honest.labels)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_a_renamed_metric_is_not_found_under_its_name(exporter: str) -> None:
    assert used(exporter, "renamed_metric") == []
    assert len(samples(text(exporter, "renamed_metric"))) == len(samples(text(exporter, "none")))


@pytest.mark.parametrize("exporter", ["gpu-pod-exporter", "dcgm"])
def test_bad_escaping_breaks_the_page(exporter: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        samples(text(exporter, "bad_escaping"))


def test_pods_read_zero_on_a_busy_card() -> None:
    assert [one.value for one in used("gpu-pod-exporter", "zero_pods")] == [0]
    page = EXPORTERS["dcgm"].page(CARDS, DcgmSettings(mode="per_pod"), "zero_pods", BOOT)
    found = {one.labels.get("pod", ""): one.value for one in samples(page) if one.name == USED["dcgm"]}
    assert found == {"": 1000, "a-0": 0}


def test_a_failed_collection_is_told_honestly() -> None:
    told = {one.name: one.value for one in samples(text("nvidia-gpu-exporter", "collect_failed"))}
    assert told == {
        "nvidia_smi_command_exit_code": 255,
        "nvidia_smi_failed_scrapes_total": 1,
        "nvidia_smi_last_collect_duration_seconds": 0.05,
        "nvidia_smi_last_collect_success": 0,
        "nvidia_smi_last_collect_success_timestamp_seconds": BOOT,
    }
