"""A Prometheus that serves written samples and scrapes nobody."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from dev import loopback
from dev.bench.gpu_history import TIMEOUT
from dev.bench.model import BenchError
from dev.bench.programs import Programs
from dev.bench.running import timed
from dev.cluster.ports import LOOPBACK, choose

_BLOCKS = "54h"
"""Length of a block: a week lies in four of them, as with a long retention."""
_STARTED = 60.0
_ASKED = re.compile(r'^prometheus_http_requests_total\{[^}]*handler="/api/v1/query"[^}]*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Store:
    """A running one."""

    url: str

    def questions(self) -> int:
        """Return how many instant queries it has answered since its start, by its own count."""
        text = loopback.get(f"{self.url}/metrics", timeout=10).text
        return sum(int(float(number)) for number in _ASKED.findall(text))


def fill(programs: Programs, samples: Path, data: Path) -> None:
    """Turn a file in OpenMetrics into the data of a Prometheus."""
    promtool = programs.path("promtool")
    blocks = f"--max-block-duration={_BLOCKS}"
    timed([promtool, "tsdb", "create-blocks-from", "--quiet", blocks, "openmetrics", samples, data])


@contextmanager
def serving(programs: Programs, data: Path) -> Iterator[Store]:
    """Serve the data while the block runs."""
    port = choose({}, ["prometheus"], in_use=[])["prometheus"]
    config = data.with_suffix(".yml")
    config.write_text("global: {}\n", encoding="utf-8")
    log = data.with_suffix(".log")
    command = [
        str(programs.path("prometheus")),
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=30d",
        f"--query.timeout={TIMEOUT}s",
        f"--web.listen-address={LOOPBACK}:{port}",
        "--log.level=warn",
    ]
    with log.open("w", encoding="utf-8") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
        try:
            store = Store(f"http://{LOOPBACK}:{port}")
            _wait(store, process, log)
            yield store
        finally:
            process.terminate()


def _wait(store: Store, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTED
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if loopback.get(f"{store.url}/-/ready", timeout=1).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.05)
    raise BenchError(f"Prometheus did not get ready:\n{log.read_text(encoding='utf-8')[-2000:]}")
