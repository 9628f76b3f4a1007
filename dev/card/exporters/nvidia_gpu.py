"""nvidia_gpu_exporter: sizes of a card in bytes by `uuid` (without `GPU-`), and how its own collection went.

Names, labels and help texts: utkuozdemir/nvidia_gpu_exporter, docs/METRICS.md and internal/integration/testdata.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..scenario import MIB
from .exposition import Family, Labels, Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..simulate import CardState
    from .settings import NvidiaGpuSettings

_CUDA_VERSION = "13.0"


def families(cards: Sequence[CardState], settings: NvidiaGpuSettings, sampled_at: float) -> list[Family]:
    """All families in alphabetical order, as the Go client writes them."""
    found = [*_health(sampled_at), _info(cards), *_sizes(cards)]
    if settings.compute_apps:
        found += _compute_apps(cards)
    return sorted(found, key=lambda family: family.name)


def _uuid(state: CardState) -> tuple[str, str]:
    return "uuid", state.card.uuid.removeprefix("GPU-")


def _sizes(cards: Sequence[CardState]) -> list[Family]:
    sizes = {
        "total": [state.card.total_mib for state in cards],
        "used": [state.used_mib for state in cards],
        "free": [state.free_mib for state in cards],
        "reserved": [state.card.reserved_mib for state in cards],
    }
    return [
        Family(
            f"nvidia_smi_memory_{kind}_bytes",
            f"memory.{kind} [MiB]",
            tuple(Sample((_uuid(state),), float(mib * MIB)) for state, mib in zip(cards, values, strict=True)),
            memory=True,
        )
        for kind, values in sizes.items()
    ]


def _info(cards: Sequence[CardState]) -> Family:
    help_text = (
        "A metric with a constant '1' value labeled by gpu uuid, name, driver_model_current, driver_model_pending,"
        " vbios_version, driver_version, pci_bus_id, serial, compute_cap, pci_sub_device_id, index, cuda_version."
    )
    return Family("nvidia_smi_gpu_info", help_text, tuple(Sample(_info_labels(state), 1.0) for state in cards))


def _info_labels(state: CardState) -> Labels:
    card = state.card
    labels = {
        "compute_cap": "7.5",
        "cuda_version": _CUDA_VERSION,
        "driver_model_current": "[N/A]",
        "driver_model_pending": "[N/A]",
        "driver_version": card.driver_version,
        "index": str(card.index),
        "name": card.model,
        "pci_bus_id": card.pci_bus_id,
        "pci_sub_device_id": "0x12A210DE",
        "serial": "[N/A]",
        "vbios_version": "90.04.96.00.9F",
    }
    return tuple(sorted([_uuid(state), *labels.items()]))


def _health(sampled_at: float) -> list[Family]:
    def one(name: str, help_text: str, value: float, kind: str = "gauge") -> Family:
        return Family(f"nvidia_smi_{name}", help_text, (Sample((), value),), kind)

    return [
        one("command_exit_code", "Exit code of the most recent nvidia-smi run", 0.0),
        one("failed_scrapes_total", "Number of failed collections", 0.0, "counter"),
        one("last_collect_duration_seconds", "Duration of the most recent collection", 0.05),
        one("last_collect_success", "Whether the most recent collection succeeded (1) or not (0)", 1.0),
        one(
            "last_collect_success_timestamp_seconds",
            "Unix timestamp of the most recent successful collection",
            sampled_at,
        ),
    ]


def _compute_apps(cards: Sequence[CardState]) -> list[Family]:
    apps = [
        ((("pid", str(process.pid)), ("process_name", process.name), _uuid(state)), float(process.mib * MIB))
        for state in cards
        for resident in state.residents
        if not resident.workload.graphics
        for process in resident.processes
    ]
    return [
        Family(
            "nvidia_smi_compute_app_info",
            "A metric with a constant '1' value labeled by the identity of a process with a compute context on a GPU.",
            tuple(Sample(labels, 1.0) for labels, _ in apps),
        ),
        Family(
            "nvidia_smi_compute_app_used_memory_bytes",
            "GPU memory used by the process. Absent when the driver cannot report it (e.g. Windows WDDM).",
            tuple(Sample(labels, size) for labels, size in apps),
            memory=True,
        ),
        Family(
            "nvidia_smi_compute_apps",
            "Number of processes with a compute context on the GPU.",
            tuple(Sample((_uuid(state),), float(_processes(state))) for state in cards),
        ),
        Family(
            "nvidia_smi_compute_apps_last_collect_success",
            "Whether the most recent per-process collection succeeded (1) or not (0)",
            (Sample((), 1.0),),
        ),
    ]


def _processes(state: CardState) -> int:
    return sum(len(resident.processes) for resident in state.residents if not resident.workload.graphics)
