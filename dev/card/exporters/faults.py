"""How an exporter can lie: pure changes of a page. What happens to the connection instead is `server`'s part."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..scenario import MIB
from .exposition import Family, Sample

if TYPE_CHECKING:
    from collections.abc import Callable

# DCGM's blank value for a 64-bit field ("not found"); older exporters passed it on.
DCGM_BLANK = 9223372036854775794

TRANSPORT_FAULTS = ("down", "http_500", "html", "slow")
"""Closed without an answer, a server error, a log-in page with status 200, an honest page after some seconds."""

KEPT_FAULTS = ("frozen", "collect_failed")
"""The exporter stops looking at the card: what it saw when the fault was set is what it knows."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a fault has to know of an exporter: labels that identify, a family's other name, unescaped labels, units."""

    identifying: frozenset[str]
    rename: tuple[str, str]
    unescaped_label: str | None
    counts_mib: bool
    empty_keeps_header: bool
    knows_pods: bool
    reports_success: bool


def distort(fault: str, families: list[Family], traits: Traits) -> list[Family]:
    """The families as the exporter tells them under that fault."""
    change = _CHANGES.get(fault)
    return families if change is None else change(families, traits)


def is_unescaped(fault: str) -> bool:
    return fault == "bad_escaping"


def valid_faults(traits: Traits) -> tuple[str, ...]:
    """The faults that make sense for an exporter, `none` first."""
    refused = {
        "mib_for_bytes": traits.counts_mib,
        "bytes_for_mib": not traits.counts_mib,
        "zero_pods": not traits.knows_pods,
        "bad_escaping": traits.unescaped_label is None,
        "collect_failed": not traits.reports_success,
    }
    every = ("none", *TRANSPORT_FAULTS, "frozen", *_CHANGES)
    return tuple(fault for fault in every if not refused.get(fault, False))


def _values(families: list[Family], change: Callable[[float], float]) -> list[Family]:
    return [
        replace(family, samples=tuple(replace(sample, value=change(sample.value)) for sample in family.samples))
        if family.memory
        else family
        for family in families
    ]


def _empty(families: list[Family], traits: Traits) -> list[Family]:
    """A page with status 200 and no series; the Python exporter still writes its header."""
    return [replace(family, samples=()) for family in families] if traits.empty_keeps_header else []


def _missing_labels(families: list[Family], traits: Traits) -> list[Family]:
    def stripped(sample: Sample) -> Sample:
        return replace(sample, labels=tuple(pair for pair in sample.labels if pair[0] not in traits.identifying))

    return [replace(family, samples=tuple(map(stripped, family.samples))) for family in families]


def _duplicate_series(families: list[Family], _: Traits) -> list[Family]:
    """Every size twice under the same labels, with two values."""
    return [
        replace(family, samples=tuple(twin for sample in family.samples for twin in _twins(sample)))
        if family.memory
        else family
        for family in families
    ]


def _twins(sample: Sample) -> tuple[Sample, Sample]:
    return sample, replace(sample, value=sample.value + 1)


def _renamed_metric(families: list[Family], traits: Traits) -> list[Family]:
    return [replace(family, name=family.name.replace(*traits.rename)) for family in families]


def _zero_pods(families: list[Family], _: Traits) -> list[Family]:
    """Every pod reads 0 on a busy card: the processes could not be told apart (dcgm without hostPID in `per_pod`)."""

    def zeroed(sample: Sample) -> Sample:
        names = {name for name, _ in sample.labels}
        return replace(sample, value=0) if names & {"pid", "pod_uid"} else sample

    return [replace(family, samples=tuple(map(zeroed, family.samples))) for family in families]


def _bad_escaping(families: list[Family], traits: Traits) -> list[Family]:
    """A label value with a quote in it; the page is then written without escaping."""

    def quoted(sample: Sample) -> Sample:
        pairs = ((name, f'{value} "0"' if name == traits.unescaped_label else value) for name, value in sample.labels)
        return replace(sample, labels=tuple(pairs))

    return [replace(family, samples=tuple(map(quoted, family.samples))) for family in families]


def _collect_failed(families: list[Family], _: Traits) -> list[Family]:
    """What the exporter says honestly when nvidia-smi fails: no card, no success, and when it last had one."""
    told = {
        "nvidia_smi_command_exit_code": 255.0,
        "nvidia_smi_failed_scrapes_total": 1.0,
        "nvidia_smi_last_collect_success": 0.0,
        "nvidia_smi_compute_apps_last_collect_success": 0.0,
    }
    health = [family for family in families if family.samples and not family.samples[0].labels]
    return [replace(family, samples=(Sample((), told.get(family.name, _only_value(family))),)) for family in health]


def _only_value(family: Family) -> float:
    return family.samples[0].value


_CHANGES: dict[str, Callable[[list[Family], Traits], list[Family]]] = {
    "empty": _empty,
    "nan": lambda families, _: _values(families, lambda _: math.nan),
    "inf": lambda families, _: _values(families, lambda _: math.inf),
    "negative": lambda families, _: _values(families, lambda value: -value - 1),
    "huge": lambda families, _: _values(families, lambda _: DCGM_BLANK),
    "missing_labels": _missing_labels,
    "mib_for_bytes": lambda families, _: _values(families, lambda value: value / MIB),
    "bytes_for_mib": lambda families, _: _values(families, lambda value: value * MIB),
    "duplicate_series": _duplicate_series,
    "renamed_metric": _renamed_metric,
    "zero_pods": _zero_pods,
    "bad_escaping": _bad_escaping,
    "collect_failed": _collect_failed,
}
