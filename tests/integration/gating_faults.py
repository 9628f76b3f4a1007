"""What Prometheus can say wrongly, as faults of a proxy before a real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.integration.gating_proxy import Answer, Asked, Fault, vector

Sample = dict[str, Any]
USED, FREE, RESERVED = (f"DCGM_FI_DEV_FB_{name}" for name in ("USED", "FREE", "RESERVED"))
PODS = "gpu_pod_memory_used_bytes"
FAILED = {"status": "error", "errorType": "execution", "error": "query timed out"}


def named(metric: str, change: Callable[[Sample], object]) -> Fault:
    """Return the fault of changed samples of one metric."""

    def changed(samples: list[Sample]) -> None:
        for sample in samples:
            if sample["metric"].get("__name__") == metric:
                change(sample)

    return vector(changed)


def value(metric: str, text: str) -> Fault:
    return named(metric, lambda sample: sample.update(value=[sample["value"][0], text]))


def times(metric: str, factor: float) -> Fault:
    return named(metric, lambda s: s.update(value=[s["value"][0], str(float(s["value"][1]) * factor)]))


def times_all(prefix: str, factor: float) -> Fault:
    """Return the fault of every sample of a family in another unit."""

    def changed(samples: list[Sample]) -> None:
        for sample in samples:
            if sample["metric"].get("__name__", "").startswith(prefix):
                sample["value"][1] = str(float(sample["value"][1]) * factor)

    return vector(changed)


def older(seconds: float, part: str = "at:") -> Fault:
    """The times at which samples were taken, as Prometheus tells them, lie further back."""

    def changed(samples: list[Sample]) -> None:
        for sample in samples:
            if sample["metric"].get("vram_part", "").startswith(part):
                sample["value"][1] = str(float(sample["value"][1]) - seconds)

    return vector(changed)


def without(metric: str) -> Fault:
    return vector(lambda samples: [one for one in samples if one["metric"].get("__name__") != metric])


def without_part(part: str) -> Fault:
    """Some of the facts about samples are missing."""
    return vector(lambda samples: [one for one in samples if not one["metric"].get("vram_part", "").startswith(part)])


def part_of(sample: Sample) -> str:
    """Return the metric whose times a sample tells."""
    return str(sample["metric"].get("vram_part", "")).removeprefix("at:")


def twice(metric: str, **labels: str) -> Fault:
    """Every sample of a metric comes twice, the second time with other labels."""

    def changed(samples: list[Sample]) -> list[Sample]:
        found = [one for one in samples if metric in (one["metric"].get("__name__"), part_of(one))]
        return [*samples, *({**one, "metric": {**one["metric"], **labels}} for one in found)]

    return vector(changed)


def down(samples: list[Sample]) -> None:
    for sample in samples:
        if sample["metric"].get("vram_part") == "up":
            sample["value"][1] = "0"


def said(**body: Any) -> Fault:
    """Return the fault of an honest answer with other keys."""

    def fault(_asked: Asked, real: Callable[[], Answer]) -> Answer:
        answer = real()
        return Answer(200, json.dumps({**json.loads(answer.body), **body}).encode(), answer.headers)

    return fault


def data(kind: str, result: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


def labelled(metric: str, **labels: str) -> Fault:
    return named(metric, lambda sample: sample["metric"].update(labels))


def both(one: Fault, other: Fault) -> Fault:
    """Return both faults, the second one on the answer of the first."""
    return lambda asked, real: other(asked, lambda: one(asked, real))
