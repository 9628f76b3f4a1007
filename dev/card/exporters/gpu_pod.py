"""The seeds' gpu-pod-exporter: one series a compute process, in bytes, without a label for card or node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..scenario import MIB, Match
from .exposition import Family, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..simulate import CardState, Resident
    from .settings import GpuPodSettings

UNKNOWN = "unknown"


def families(cards: Sequence[CardState], settings: GpuPodSettings, sampled_at: float) -> list[Family]:
    """A pod is `unknown` while it is too new for the pod list, and again when it is gone but its VRAM is not."""
    samples = tuple(
        sample
        for state in cards
        for resident in state.residents
        if not resident.workload.graphics
        for sample in _samples(resident, known=_is_known(resident, settings, sampled_at))
    )
    return [Family("gpu_pod_memory_used_bytes", "GPU memory used by pod", samples, memory=True)]


def _is_known(resident: Resident, settings: GpuPodSettings, sampled_at: float) -> bool:
    new_until = resident.started_at + settings.attribution_delay_seconds
    is_new = isinstance(resident.workload.place, Match) and sampled_at < new_until
    return bool(resident.pod) and not resident.leaked and not is_new


def _samples(resident: Resident, *, known: bool) -> Iterable[Sample]:
    for process in resident.processes:
        yield Sample(
            (
                ("namespace", resident.namespace if known else UNKNOWN),
                ("pod", resident.pod if known else UNKNOWN),
                ("container", resident.container if known else UNKNOWN),
                ("process_name", process.name),
                ("pid", str(process.pid)),
            ),
            process.mib * MIB,
        )
