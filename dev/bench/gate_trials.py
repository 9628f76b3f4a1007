"""Trials of a reaction: VRAM steps up at a random phase, and a watch of the API server tells of 0 replicas."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import requests

from dev import loopback
from dev.bench.gate_lab import Lab
from dev.bench.gate_objects import LOUD, QUIET, Place
from dev.bench.model import BenchError

_PATIENCE = 900.0
"""Seconds until a target must have come or gone: three times the slowest schedule."""


@dataclass(frozen=True)
class Seen:
    """A Deployment when the watch told of it; `at` is of the monotonic clock."""

    at: float
    replicas: int
    ready: int


class Watcher:
    """Follows all Deployments of a cluster."""

    def __init__(self, lab: Lab, places: Sequence[Place]) -> None:
        self._told: dict[tuple[str, str], SimpleQueue[Seen]] = {
            (place.namespace, place.name): SimpleQueue() for place in places
        }
        self._stream = lab.ask("/apis/apps/v1/deployments?watch=1&timeoutSeconds=7200", stream=True, timeout=_PATIENCE)
        Thread(target=self._follow, daemon=True).start()

    def until(self, place: Place, *, replicas: int, ready: int) -> float:
        """Wait until the target is so, and return when the watch said that it is."""
        told = self._told[place.namespace, place.name]
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                seen = told.get(timeout=max(0, deadline - time.monotonic()))
            except Empty:
                raise BenchError(f"{place} has not come to {replicas} replicas in {_PATIENCE:.0f} s") from None
            if seen.replicas == replicas and seen.ready >= ready:
                return seen.at

    def still(self, place: Place, *, replicas: int) -> bool:
        """Tell whether the target has not changed its replicas since it was last waited for."""
        told = self._told[place.namespace, place.name]
        with suppress(Empty):
            while True:
                if told.get_nowait().replicas != replicas:
                    return False
        return True

    def _follow(self) -> None:
        with suppress(requests.RequestException):  # the cluster goes down at the end, and the watch with it
            for line in self._stream.iter_lines(chunk_size=None):
                self._tell(time.monotonic(), json.loads(line)["object"])

    def _tell(self, at: float, body: Mapping[str, Any]) -> None:
        told = self._told.get((body["metadata"].get("namespace", ""), body["metadata"]["name"]))
        if told is not None:
            told.put(Seen(at, body["spec"]["replicas"], body.get("status", {}).get("readyReplicas", 0)))


@dataclass(frozen=True)
class Contender:
    """Who looks after some places on a card machine, and within how many seconds its looks come round."""

    name: str
    places: Sequence[Place]
    card_url: str
    period: float
    rounds: int


def hold(watcher: Watcher, contenders: Sequence[Contender]) -> dict[str, list[float]]:
    """Hold the trials of all contenders at the same time and return the reactions of each (seconds).

    A trial whose target leaves before the step, for whatever reason, is none and held again.
    """
    running = [(one.name, _start(watcher, one, place)) for one in contenders for place in one.places]
    found: dict[str, list[float]] = {one.name: [] for one in contenders}
    for name, job in running:
        found[name] += job.result()
    return found


def _start(watcher: Watcher, contender: Contender, place: Place) -> Future[list[float]]:
    """Hold the trials of one place in a thread that an interrupted benchmark need not wait for."""
    job: Future[list[float]] = Future()

    def run() -> None:
        try:
            job.set_result(_trials(watcher, contender, place))
        except Exception as error:  # noqa: BLE001 - it is raised where the result is asked for
            job.set_exception(error)

    Thread(target=run, daemon=True).start()
    return job


def _trials(watcher: Watcher, contender: Contender, place: Place) -> list[float]:
    found: list[float] = []
    while len(found) < contender.rounds:
        watcher.until(place, replicas=1, ready=1)
        time.sleep(random.uniform(0, contender.period))  # noqa: S311 - no secret
        if not watcher.still(place, replicas=1):
            continue
        begin = time.monotonic()
        _resident(contender, place, LOUD)
        found.append(watcher.until(place, replicas=0, ready=0) - begin)
        _resident(contender, place, QUIET)
    return found


def _resident(contender: Contender, place: Place, size: str) -> None:
    body = {"workload": place.resident, "idle": size}
    loopback.post(f"{contender.card_url}/control/set", json=body, timeout=20).raise_for_status()
