"""The exporters that the card can speak as, by name. Everything here is pure: cards and settings in, a page out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import dcgm, gpu_pod, nvidia_gpu
from .exposition import render
from .faults import Traits, distort, is_unescaped, valid_faults
from .settings import DcgmSettings, GpuPodSettings, NvidiaGpuSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..simulate import CardState
    from .exposition import Family


@dataclass(frozen=True, slots=True)
class Exporter:
    """`families(cards, settings, sampled_at)` is the honest page; `defaults` are the settings of the original."""

    families: Callable[[Sequence[CardState], Any, float], list[Family]]
    defaults: Settings
    traits: Traits
    content_type: str = "text/plain; charset=utf-8"

    @property
    def faults(self) -> tuple[str, ...]:
        return valid_faults(self.traits)

    def page(self, cards: Sequence[CardState], settings: Settings, fault: str, sampled_at: float) -> str:
        shown = [state for state in cards if settings.node in {"", state.card.node}]
        told = distort(fault, self.families(shown, settings, sampled_at), self.traits)
        return render(told, escape=not is_unescaped(fault))


EXPORTERS: dict[str, Exporter] = {
    "gpu-pod-exporter": Exporter(
        gpu_pod.families,
        GpuPodSettings(),
        Traits(
            identifying=frozenset({"namespace", "pod"}),
            rename=("gpu_pod_memory_used", "gpu_pod_vram_used"),
            unescaped_label="process_name",
            counts_mib=False,
            empty_keeps_header=True,
            knows_pods=True,
            reports_success=False,
        ),
    ),
    "dcgm": Exporter(
        dcgm.families,
        DcgmSettings(),
        Traits(
            identifying=frozenset({"UUID", "modelName", "Hostname", "hostname", "namespace", "pod", "pod_uid"}),
            rename=("DCGM_FI_DEV_FB_", "DCGM_FI_DEV_FRAMEBUFFER_"),
            unescaped_label="modelName",
            counts_mib=True,
            empty_keeps_header=False,
            knows_pods=True,
            reports_success=False,
        ),
    ),
    "nvidia-gpu-exporter": Exporter(
        nvidia_gpu.families,
        NvidiaGpuSettings(),
        Traits(
            identifying=frozenset({"uuid"}),
            rename=("nvidia_smi_memory_", "nvidia_smi_fb_memory_"),
            unescaped_label=None,
            counts_mib=False,
            empty_keeps_header=False,
            knows_pods=False,
            reports_success=True,
        ),
        content_type="text/plain; version=0.0.4; charset=utf-8",
    ),
}
