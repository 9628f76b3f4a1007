# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what Prometheus answered: a vector of samples, or the reason why it must not be used.

Format: https://prometheus.io/docs/prometheus/latest/querying/api/. Warnings mean a partial answer (a Thanos store is
away, a rule was cut short), and a partial answer is no answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional, Protocol

from .errors import QueryError, shown


class PromQuery(Protocol):
    """The port to a metrics store: the decoded JSON of an instant query (``/api/v1/query``).

    ``time`` is the evaluation time in Unix seconds (None: the store's now), ``lookback_delta`` how old a sample may be,
    in seconds. Raises :class:`QueryError` when no answer can be had.
    """

    def query(self, promql: str, *, time: Optional[float], lookback_delta: Optional[int]) -> Mapping[str, Any]:
        """Return the decoded answer."""


@dataclass(frozen=True)
class Sample:
    """One series at the evaluation time ``at`` (Unix seconds)."""

    metric: str
    labels: Mapping[str, str]
    value: float
    at: float

    @property
    def key(self) -> tuple[str, frozenset[tuple[str, str]]]:
        """Return the identity of the series."""
        return self.metric, frozenset(self.labels.items())

    @property
    def target(self) -> tuple[str, str]:
        """Return (job, instance) of the scrape that brought the series, empty where a store dropped them."""
        return self.labels.get("job", ""), self.labels.get("instance", "")


def parse_vector(body: Mapping[str, Any]) -> tuple[Sample, ...]:
    """Return the samples of an instant query's answer; raises :class:`QueryError` for anything doubtful."""
    if body.get("status") != "success":
        detail = f"{body.get('errorType', 'no errorType')}: {body.get('error', 'no error text')}"
        raise QueryError("query_failed", f"the metrics store refused the query: {shown(detail)}")
    for key in ("warnings", "infos"):
        if body.get(key):
            raise QueryError(
                "partial_answer",
                f"the metrics store answered with {key}, so parts may be missing: {shown(body[key])}; "
                "look at the stores and rules behind it",
            )
    if body.get("isPartial"):  # VictoriaMetrics says so
        raise QueryError("partial_answer", "the metrics store answered isPartial: a part of it is away; look at it")
    data = body.get("data")
    if not isinstance(data, Mapping) or data.get("resultType") != "vector" or not isinstance(data.get("result"), list):
        found = data.get("resultType") if isinstance(data, Mapping) else data
        raise QueryError(
            "wrong_result", f"the metrics store answered {shown(found)} where a vector is due: is it a Prometheus?"
        )
    return tuple(_sample(entry) for entry in data["result"])


def _sample(entry: Any) -> Sample:
    try:
        labels = {str(key): str(value) for key, value in entry["metric"].items()}
        at, value = entry["value"]
        sample = Sample(labels.pop("__name__", ""), labels, float(value), float(at))
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise _no_sample(entry) from error
    if not math.isfinite(sample.at):
        raise _no_sample(entry)
    return sample


def _no_sample(entry: Any) -> QueryError:
    return QueryError(
        "wrong_result", f"the metrics store answered an entry that is no sample: {shown(entry)}: is it a Prometheus?"
    )
