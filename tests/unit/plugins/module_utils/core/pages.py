"""A small model of exporters and of the Prometheus that scrapes them, for tests of the core.

A `Page` is one scrape target. `Store` is the core's port over pages: it merges labels as a scrape does and answers the
first two questions of a measurement; peaks are what the test says (`tests/integration/test_measure.py` computes them
with a real PromQL engine).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

MIB = 1 << 20
GIB = 1 << 30
NOW = 1_790_000_000.0

#: what a ServiceMonitor puts on the target of an exporter's pod
EXPORTER_POD = {"namespace": "gpu-operator", "pod": "exporter-x7k2p", "container": "exporter"}


@dataclass(frozen=True)
class Series:
    """One line of a page; ``age`` is how long ago Prometheus took it (seconds)."""

    metric: str
    labels: Mapping[str, str]
    value: float
    age: float = 5.0

    def with_labels(self, **labels: str) -> Series:
        return replace(self, labels={**self.labels, **labels})

    def without(self, *names: str) -> Series:
        return replace(self, labels={name: value for name, value in self.labels.items() if name not in names})


@dataclass(frozen=True)
class Page:
    """What one target serves, and how Prometheus scrapes it."""

    job: str
    series: tuple[Series, ...]
    target: Mapping[str, str] = field(default_factory=lambda: dict(EXPORTER_POD))
    honor_labels: bool = False
    up: float | None = 1
    instance: str = ""

    @property
    def target_labels(self) -> dict[str, str]:
        return {"job": self.job, "instance": self.instance or f"192.0.2.10:{len(self.job)}", **self.target}

    def scraped(self) -> list[Series]:
        return [replace(series, labels=self._merged(series.labels)) for series in self.series]

    def _merged(self, own: Mapping[str, str]) -> dict[str, str]:
        merged = dict(self.target_labels)
        for name, value in own.items():
            clash = name in merged and not self.honor_labels
            merged[f"exported_{name}" if clash else name] = value
        return {name: value for name, value in merged.items() if value != ""}


def gpu_pod_exporter(*holders: tuple[str, str, float], **scrape: Any) -> Page:
    """The seeds' exporter; a holder is (namespace, pod, MiB) and one process."""
    series = (
        Series(
            "gpu_pod_memory_used_bytes",
            {
                "namespace": namespace,
                "pod": pod,
                "container": "main",
                "process_name": "python",
                "pid": str(1000 + number),
            },
            mib * MIB,
        )
        for number, (namespace, pod, mib) in enumerate(holders)
    )
    return Page("gpu-pod-exporter", tuple(series), **scrape)


@dataclass(frozen=True)
class Card:
    """One card in MiB; a T4 by default."""

    used: float
    uuid: str = "GPU-6f1c2a3b-0000-4000-8000-0000000000t4"
    total: float = 15360
    reserved: float = 450
    node: str = "gpu-1"
    model: str = "Tesla T4"

    @property
    def free(self) -> float:
        return self.total - self.reserved - self.used


def dcgm(
    *cards: Card,
    pods: Sequence[tuple[str, str, float]] = (),
    mode: str = "device",
    reserved: bool = True,
    hostname: str = "Hostname",
    prefix: str = "",
    **scrape: Any,
) -> Page:
    """dcgm-exporter; ``mode``: `device` (no pods), `copied` (the card's number for each pod), `own` (device and pods).

    ``pods`` of the modes with pods are (namespace, pod, MiB), all on the first card.
    """
    series: list[Series] = []
    for number, card in enumerate(cards):
        labels = {
            "gpu": str(number),
            "UUID": card.uuid,
            "pci_bus_id": f"00000000:{number:02X}:00.0",
            "device": f"nvidia{number}",
            "modelName": card.model,
            hostname: card.node,
        }
        own = pods if number == 0 else ()
        facts = {"USED": card.used, "FREE": card.free, "RESERVED": card.reserved}
        if not reserved:
            del facts["RESERVED"]
        for fact, mib in facts.items():
            device = Series(f"{prefix}DCGM_FI_DEV_FB_{fact}", labels, mib)
            named = [device.with_labels(namespace=space, pod=pod, container="main") for space, pod, _mib in own]
            if mode == "own" and fact == "USED":
                holders = zip(named, own, strict=True)
                series += [device, *(replace(copy, value=float(size)) for copy, (_ns, _pod, size) in holders)]
            elif mode == "device" or not own:
                series.append(device)
            else:
                series += named
    return Page("nvidia-dcgm-exporter", tuple(series), **scrape)


def nvidia_gpu_exporter(*cards: Card, success: float = 1, collected_at: float | None = NOW - 3, **scrape: Any) -> Page:
    """nvidia_gpu_exporter: bytes, no pods, a success metric of its own, UUIDs without their prefix."""
    series: list[Series] = [Series("nvidia_smi_last_collect_success", {}, success)]
    if collected_at is not None:
        series.append(Series("nvidia_smi_last_collect_success_timestamp_seconds", {}, collected_at))
    for card in cards:
        labels = {"uuid": card.uuid.removeprefix("GPU-")}
        series.append(Series("nvidia_smi_gpu_info", {**labels, "name": card.model}, 1))
        facts = {"total": card.total, "used": card.used, "free": card.free, "reserved": card.reserved}
        series += [Series(f"nvidia_smi_memory_{fact}_bytes", labels, mib * MIB) for fact, mib in facts.items()]
    scrape.setdefault("target", {})
    return Page("nvidia-gpu-exporter", tuple(series), **scrape)


def nvitop(*cards: Card, **scrape: Any) -> Page:
    """nvitop-exporter: MiB, the driver's share within `used` (NVML's older call)."""
    series: list[Series] = []
    for number, card in enumerate(cards):
        labels = {"hostname": card.node, "index": str(number), "devicename": card.model, "uuid": card.uuid}
        facts = {"total": card.total, "used": card.used + card.reserved, "free": card.free}
        series += [Series(f"gpu_memory_{fact}_MiB", labels, mib) for fact, mib in facts.items()]
    scrape.setdefault("target", {})
    return Page("nvitop", tuple(series), **scrape)


def hami(card: Card, *holders: tuple[str, str, float], **scrape: Any) -> Page:
    """HAMi's vGPUmonitor: `used` of the card with the driver's share, no total; pods by virtual device."""
    where = {"device_uuid": card.uuid, "node": card.node}
    series = [
        Series("hami_host_gpu_memory_used_bytes", {**where, "device_index": "0"}, (card.used + card.reserved) * MIB)
    ]
    for namespace, pod, mib in holders:
        labels = {**where, "namespace": namespace, "pod": pod, "container": "main", "vdevice_index": "0"}
        series.append(Series("hami_vgpu_memory_used_bytes", labels, mib * MIB))
    return Page("hami", tuple(series), **scrape)


def llama_swap(card: Card, **scrape: Any) -> Page:
    labels = {"id": "0", "name": card.model, "uuid": card.uuid}
    facts = {"used": card.used, "total": card.total}
    series = tuple(Series(f"llamaswap_gpu_memory_{fact}_bytes", labels, mib * MIB) for fact, mib in facts.items())
    scrape.setdefault("target", {})
    return Page("llama-swap", series, **scrape)


def peak(source: str, kind: str, labels: Mapping[str, str], mib: float) -> tuple[dict[str, str], float]:
    """One series of the third answer, in the unit of the source's metric."""
    unit = 1 if source == "dcgm" else MIB
    return {**labels, "vram_part": f"{kind}:{source}"}, mib * unit


def pod_peaks(*pods: tuple[str, str, float], source: str = "gpu_pod_exporter") -> list[tuple[dict[str, str], float]]:
    """Peaks of pods (namespace, pod, MiB) that are the only ones of their namespaces, over a full look-back."""
    answer: list[tuple[dict[str, str], float]] = [({"vram_part": f"covered:{source}"}, 604800.0)]
    for namespace, pod, mib in pods:
        answer.append(peak(source, "pod", {"exported_namespace": namespace, "exported_pod": pod}, mib))
        answer.append(peak(source, "group", {"exported_namespace": namespace}, mib))
    return answer


@dataclass
class Store:
    """The port: ``recent`` are metrics, as (metric, labels), that spoke a while ago and do not now."""

    pages: Sequence[Page]
    peaks: Iterable[tuple[Mapping[str, str], float]] = ()
    recent: Sequence[tuple[str, Mapping[str, str]]] = ()
    now: float = NOW
    #: Prometheus before 2.43 looks back five minutes whatever it is asked
    heeds_lookback: bool = True
    #: labels of each replica of Prometheus behind a querier, and what each adds to the values
    replicas: Sequence[tuple[Mapping[str, str], float]] = (({}, 0.0),)
    asked: list[tuple[str, float | None, int | None]] = field(default_factory=list)

    def query(self, promql: str, *, time: float | None, lookback_delta: int | None) -> dict[str, Any]:
        self.asked.append((promql, time, lookback_delta))
        if "max_over_time" in promql:
            return self._vector((dict(labels), value) for labels, value in self.peaks)
        named = re.search(r'\{__name__=~"(.*?)"\}', promql)
        assert named, promql
        wanted = re.compile(named[1].replace("\\\\", "\\"))
        if "last_over_time" in promql:
            return self._vector(self._facts(wanted, lookback_delta))
        return self._vector(
            ({"__name__": series.metric, **series.labels}, series.value)
            for series in self._series(lookback_delta)
            if wanted.fullmatch(series.metric)
        )

    def _series(self, lookback_delta: int | None) -> list[Series]:
        return [
            replace(series, labels={**series.labels, **replica}, value=series.value + more * bool(series.value > 1))
            for page in self.pages
            for series in page.scraped()
            for replica, more in self.replicas
            if series.age <= (lookback_delta if lookback_delta and self.heeds_lookback else 300)
        ]

    def _facts(self, wanted: re.Pattern[str], lookback_delta: int | None) -> Iterable[tuple[dict[str, str], float]]:
        for series in self._series(lookback_delta):
            yield {**series.labels, "vram_part": f"at:{series.metric}"}, self.now - series.age
        for page in self.pages:
            if page.up is not None:
                yield {"__name__": "up", **page.target_labels, "vram_part": "up"}, page.up
        spoke = [(series.metric, series.labels) for page in self.pages for series in page.scraped()]
        for metric, labels in (entry for entry in (*spoke, *self.recent) if wanted.fullmatch(entry[0])):
            kept = {name: labels[name] for name in ("job", "instance", "UUID", "uuid", "device_uuid") if name in labels}
            yield {"__name__": metric, **kept, "vram_part": "recent"}, 1.0

    def _vector(self, samples: Iterable[tuple[dict[str, str], float]]) -> dict[str, Any]:
        result = [{"metric": labels, "value": [self.now, number(value)]} for labels, value in samples]
        return {"status": "success", "data": {"resultType": "vector", "result": result}}


def number(value: float) -> str:
    """Return the value as Prometheus writes it."""
    return {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN"}.get(str(value), repr(value))
