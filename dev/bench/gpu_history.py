"""A week of GPU metrics in OpenMetrics, as dcgm-exporter and gpu-pod-exporter leave them, among other people's series.

Samples reach from a week ago to half an hour from now. Prometheus finds the newest that is not in the future, so that
the data is fresh while it is measured, with nobody scraping meanwhile. Only what is read is dense: the residents every
four minutes over the week, everything of the GPU every minute around now; a background series has a few samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TextIO

MIB = 1 << 20
WEEK = 7 * 86400
LOOKBACKS = {"7d": WEEK, "0s": 0}
"""How far back is looked: a week, and this instant only (seconds)."""
TIMEOUT = 300
"""How long an answer may take before the benchmark fails (seconds)."""
AHEAD = 1800
_RECENT = 1200
_MINUTE = 60
_SPARSE = 240
"""Below the five minutes after which Prometheus takes a series for gone."""
_SHARE = 8 << 30
_CARD_MIB, _RESERVED_MIB = 15360, 450
_CARDS_PER_NODE = 8
_WOBBLE = 64 << 10
"""By so much a resident's use varies, below what it declared (bytes)."""
_BACKGROUND_AT = (160 * 3600, 110 * 3600, 60 * 3600, 10 * 3600, 1800)
"""Seconds before now at which every background series has a sample: one at least in each block."""


@dataclass(frozen=True)
class Size:
    """So many cards, residents over all of them, and series of other people."""

    cards: int
    residents: int
    background: int = 100_000

    def used_mib(self, card: int) -> int:
        """Return what all residents of a card declare together."""
        return sum(self.peak_mib(resident) for resident in range(card, self.residents, self.cards))

    def peak_mib(self, resident: int) -> int:
        """Return what a resident declares: the residents of a card share half of it."""
        return (_SHARE // len(range(resident % self.cards, self.residents, self.cards))) // MIB

    def plan(self) -> dict[str, Any]:
        """Return the plan in which every resident is a tenant, with one gated tenant on the first card."""
        cards = [{"name": f"card-{card}", "uuid": _uuid(card)} for card in range(self.cards)]
        tenants: list[dict[str, Any]] = [
            {
                "name": f"tenant-{resident}",
                "card": f"card-{resident % self.cards}",
                "mode": "warm",
                "peak": f"{self.peak_mib(resident)}Mi",
                "namespace": f"ns-{resident}",
            }
            for resident in range(self.residents)
        ]
        gated = {"name": "gated", "card": "card-0", "mode": "gated", "peak": "4Gi", "floor": "6Gi"}
        tenants.append({**gated, "namespace": "gated", "target": {"kind": "Deployment", "name": "gated"}})
        return {"cards": cards, "tenants": tenants, "margin": "2Gi"}


def write(file: TextIO, size: Size, now: int) -> None:
    """Write everything; `now` is in Unix seconds."""
    around = range(now - _RECENT, now + AHEAD, _MINUTE)
    week = [*range(now - WEEK - _SPARSE, now - _RECENT, _SPARSE), *around]
    _family(file, "up", around, ((target, 1) for target in _targets(size)))
    for name, numbers in _device_facts(size).items():
        _family(file, name, around, ((_device(card), number) for card, number in enumerate(numbers)))
    file.write("# TYPE gpu_pod_memory_used_bytes gauge\n")
    for resident in range(size.residents):
        series = f"gpu_pod_memory_used_bytes{{{_pod(size, resident)}}}"
        peak = size.peak_mib(resident) * MIB
        file.writelines(f"{series} {peak - (at // _MINUTE * 977 + resident) % _WOBBLE} {at}\n" for at in week)
    _background(file, size.background, [now - before for before in _BACKGROUND_AT])
    file.write("# EOF\n")


def _family(file: TextIO, name: str, times: Iterable[int], series: Iterable[tuple[str, int]]) -> None:
    file.write(f"# TYPE {name} gauge\n")
    for labels, value in series:
        file.writelines(f"{name}{{{labels}}} {value} {at}\n" for at in times)


def _device_facts(size: Size) -> dict[str, list[int]]:
    used = [size.used_mib(card) for card in range(size.cards)]
    return {
        "DCGM_FI_DEV_FB_USED": used,
        "DCGM_FI_DEV_FB_FREE": [_CARD_MIB - _RESERVED_MIB - number for number in used],
        "DCGM_FI_DEV_FB_RESERVED": [_RESERVED_MIB] * size.cards,
    }


def _background(file: TextIO, number: int, times: Iterable[int]) -> None:
    """Write series of a thousand metrics, as the applications of a cluster have them."""
    for index in range(number):
        metric, instance = divmod(index, 100)
        if instance == 0:
            file.write(f"# TYPE app_metric_{metric:04} gauge\n")
        labels = f'job="app",instance="10.0.0.{instance}:8080",namespace="ns-{instance % 20}"'
        file.writelines(f"app_metric_{metric:04}{{{labels}}} {index} {at}\n" for at in times)


def _targets(size: Size) -> Iterator[str]:
    for node in range(-(-size.cards // _CARDS_PER_NODE)):
        yield _dcgm(node)
        yield _gpu_pod(node)


def _dcgm(node: int) -> str:
    return f'job="nvidia-dcgm-exporter",instance="10.1.{node}.1:9400"'


def _gpu_pod(node: int) -> str:
    return f'job="gpu-pod-exporter",instance="10.1.{node}.1:9401"'


def _device(card: int) -> str:
    node = card // _CARDS_PER_NODE
    names = f'gpu="{card % _CARDS_PER_NODE}",UUID="{_uuid(card)}",modelName="Tesla T4",Hostname="gpu-{node}"'
    return f"{_dcgm(node)},{names}"


def _pod(size: Size, resident: int) -> str:
    node = resident % size.cards // _CARDS_PER_NODE
    names = f'namespace="ns-{resident}",pod="server-{resident}-x2x4k",container="server"'
    return f'{_gpu_pod(node)},{names},process_name="python",pid="{1000 + resident}"'


def _uuid(card: int) -> str:
    return f"GPU-{card:08x}-74d7-3130-46f1-e93ed57f469a"
