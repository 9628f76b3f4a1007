"""dcgm-exporter: FB_FREE, FB_USED and FB_RESERVED of a card in MiB, and what time-slicing makes of them.

Label order and behaviour: NVIDIA/dcgm-exporter, internal/pkg/rendermetrics/render_metrics.go and
internal/pkg/transformation/kubernetes.go (commit d5e5f51 and before).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from .exposition import Family, Labels, Sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..simulate import CardState, Resident
    from .settings import DcgmSettings

FREE, USED, RESERVED = "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_RESERVED"
_HELP = {
    FREE: "Framebuffer memory free (in MiB).",
    USED: "Framebuffer memory used (in MiB).",
    RESERVED: "Framebuffer memory reserved (in MiB).",
}
_TIME_SLICES = 100


def families(cards: Sequence[CardState], settings: DcgmSettings, _sampled_at: float) -> list[Family]:
    """A family without a series is left out, as the original does: without cards the page is empty."""
    pages = ((name, tuple(_of_cards(name, cards, settings))) for name in _HELP)
    return [Family(settings.prefix + name, _HELP[name], samples, memory=True) for name, samples in pages if samples]


def _of_cards(name: str, cards: Sequence[CardState], settings: DcgmSettings) -> Iterable[Sample]:
    for state in cards:
        device = Sample(_device_labels(state, settings), _value(name, state))
        pods = [resident for resident in state.residents if resident.slices > 0 and not resident.leaked]
        if settings.mode == "device":
            yield device
        elif settings.mode == "copied":
            yield from _copies(device, pods, settings)
        elif name == USED:
            yield device
            yield from _own(device, pods, settings)
        else:
            yield from _copies(device, pods, settings) if pods else (device,)


def _value(name: str, state: CardState) -> int:
    return {FREE: state.free_mib, USED: state.used_mib, RESERVED: state.card.reserved_mib}[name]


def _copies(device: Sample, pods: list[Resident], settings: DcgmSettings) -> Iterable[Sample]:
    for pod in pods:
        for attributes in _attributes(pod, settings, {}):
            yield Sample(device.labels + attributes, device.value)


def _own(device: Sample, pods: list[Resident], settings: DcgmSettings) -> Iterable[Sample]:
    for pod in pods:
        for attributes in _attributes(pod, settings, {"pod_uid": pod.uid}):
            yield Sample(device.labels + attributes, pod.used_mib)


def _device_labels(state: CardState, settings: DcgmSettings) -> Labels:
    card = state.card
    return (
        ("gpu", str(card.index)),
        ("UUID", card.uuid),
        ("pci_bus_id", card.pci_bus_id),
        ("device", f"nvidia{card.index}"),
        ("modelName", card.model),
        (settings.hostname_label, card.node),
        ("DCGM_FI_DRIVER_VERSION", card.driver_version),
    )


def _attributes(pod: Resident, settings: DcgmSettings, more: dict[str, str]) -> Iterable[Labels]:
    """The labels of a pod in alphabetical order, once for each of its time slices where `vgpu` says so."""
    names = {"container": pod.container, "namespace": pod.namespace, "pod": pod.pod, **more}
    if not settings.vgpu:
        yield tuple(sorted(names.items()))
        return
    first = zlib.crc32(pod.uid.encode())
    for number in range(pod.slices):
        yield tuple(sorted({**names, "vgpu": str((first + number) % _TIME_SLICES)}.items()))
