# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads an exporter's page: Prometheus' text format, version 0.0.4.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format. One bad line refuses the page,
as Prometheus itself does: half a page is no page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Optional

from ..core.errors import shown

_NAME = r"[ \t]*[a-zA-Z_][a-zA-Z0-9_]*[ \t]*=[ \t]*"
_TEXT = r'"(?:[^"\\]|\\.)*"[ \t]*'
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|[nN]a[nN]|[+-]?[iI]nf(?:inity)?"
_LINE = re.compile(
    r"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)"
    rf"(?:[ \t]*\{{((?:{_NAME}{_TEXT},)*(?:{_NAME}{_TEXT})?)[ \t]*\}}[ \t]*|[ \t]+)"
    rf"({_NUMBER})(?:[ \t]+(-?\d+))?[ \t]*",
    re.ASCII,
)
_LABELS = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"', re.ASCII)
_ESCAPE = re.compile(r'\\([\\n"])')


class Series(NamedTuple):
    """One line of a page: ``taken`` is the exporter's own timestamp in Unix seconds, where it gives one."""

    name: str
    labels: dict[str, str]
    value: float
    taken: Optional[float]


class PageError(ValueError):
    """A line that the format does not allow."""


def parse_page(text: str) -> Iterator[Series]:
    """Yield the series of a page; raises :class:`PageError` at the first line that is none."""
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(" \t")
        if stripped and not stripped.startswith("#"):
            yield _series(line, number)


def _series(line: str, number: int) -> Series:
    match = _LINE.fullmatch(line)
    if match is None:
        raise PageError(f"line {number} is no sample: {shown(line)}")
    name, inside, value, taken = match.groups()
    pairs = [(key, _ESCAPE.sub(_unescaped, text)) for key, text in _LABELS.findall(inside or "")]
    labels = dict(pairs)
    if len(labels) != len(pairs):
        raise PageError(f"line {number} names a label twice: {shown(line)}")
    return Series(name, labels, float(value), None if taken is None else int(taken) / 1000)


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]
