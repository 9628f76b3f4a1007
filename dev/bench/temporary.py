"""What exists only while a benchmark runs: folders, local clusters, namespaces."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from dev.bench.model import BenchError
from dev.bench.programs import Programs
from dev.bench.running import timed
from dev.cluster.progress import Progress

_GONE = 120.0
"""Seconds until a namespace must be gone."""


@dataclass(frozen=True)
class Workshop:
    """What every benchmark gets: a folder that is removed at the end, the programs, and whether to be quick."""

    folder: Path
    programs: Programs
    progress: Progress
    quick: bool
    minutes: float = 60.0
    """How long what nobody uses is watched, in a full run."""
    keda: bool = False
    """Whether KEDA takes part where the gate's reaction and its cost are measured."""


def cluster(folder: Path, command: str, *arguments: str) -> float:
    """Run a command of the local cluster in this folder and return the seconds."""
    return timed([sys.executable, "-m", "dev.cluster", command, "--dir", folder, *arguments]).seconds


@contextmanager
def running_cluster(shop: Workshop, name: str = "cluster", *arguments: str) -> Iterator[dict[str, str]]:
    """Give a cluster of its own in the folder `name`: KUBECONFIG, PROMETHEUS_URL and CARD_URL."""
    folder = shop.folder / name
    with shop.progress.working("a local cluster for the benchmark"):
        cluster(folder, "up", *arguments)
    try:
        words = shlex.split((folder / "env").read_text(encoding="utf-8"))
        yield dict(word.split("=", 1) for word in words if "=" in word)
    finally:
        cluster(folder, "down")


class Namespaces:
    """Makes and removes namespaces; their objects go with them."""

    def __init__(self, kubeconfig: Path) -> None:
        self._api = client.CoreV1Api(config.new_client_from_config(str(kubeconfig)))

    def create(self, name: str) -> None:
        """Make a namespace."""
        self._api.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))

    def remove(self, names: Sequence[str]) -> None:
        """Remove namespaces and wait until they are gone."""
        for name in names:
            self._api.delete_namespace(name)
        deadline = time.monotonic() + _GONE
        for name in names:
            while self._there(name):
                if time.monotonic() > deadline:
                    raise BenchError(f"the namespace {name} is still there after {_GONE:.0f} s")
                time.sleep(0.1)

    def _there(self, name: str) -> bool:
        try:
            self._api.read_namespace(name)
        except ApiException as error:
            if error.status == 404:
                return False
            raise
        return True
