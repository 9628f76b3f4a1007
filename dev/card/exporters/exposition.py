"""Metric families and their text (https://prometheus.io/docs/instrumenting/exposition_formats/), as pure values.

The official client is not used to write, because it cannot lie: two equal series or a stray quote are what we need.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """Labels in the order of the page. Integers are written out, floats as Go does."""

    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """`memory` marks the sizes, which are what a fault falsifies."""

    name: str
    help: str
    samples: tuple[Sample, ...]
    kind: str = "gauge"
    memory: bool = False


def render(families: Iterable[Family], *, escape: bool = True) -> str:
    """The page. Without `escape` label values go out as they are: some exporters do that."""
    return "".join(line + "\n" for family in families for line in _lines(family, escape=escape))


def _lines(family: Family, *, escape: bool) -> Iterable[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} {family.kind}"
    for sample in family.samples:
        labels = ",".join(f'{name}="{_escaped(value) if escape else value}"' for name, value in sample.labels)
        series = f"{family.name}{{{labels}}}" if labels else family.name
        yield f"{series} {_number(sample.value)}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    text: str = floatToGoString(value)
    return text.removesuffix(".0")
