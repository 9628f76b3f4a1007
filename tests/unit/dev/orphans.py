"""A process that carries a cluster's marker and waits for its end."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.cluster.process import MARKER


@contextmanager
def orphan(cluster: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield it once it has spoken: Popen returns before the kernel shows the new program's environment in /proc."""
    command = ["sh", "-c", "echo up; read -r end"]  # the end of its input ends it, whatever happens to the test
    environment = {**os.environ, MARKER: str(cluster)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield process
