"""Programs built from the Go modules under dev/go, for machines that cannot reach the official downloads."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dev.cluster.catalog import GoSource
from dev.cluster.errors import ClusterError
from dev.cluster.progress import Progress

MODULES = Path(__file__).parents[1] / "go"


class GoBuilder:
    """Runs `go build`; the pinned go.mod and go.sum of the module decide what is built.

    `go` is the path of the command, None where the machine has none.
    """

    def __init__(self, progress: Progress, *, modules: Path = MODULES, go: str | None) -> None:
        self._progress = progress
        self._modules = modules
        self._go = go

    def build(self, title: str, source: GoSource, target: Path) -> None:
        """Write the program to `target`; `title` is its name and version.

        Raises ClusterError with the compiler's last words where it cannot.
        """
        if self._go is None:
            raise ClusterError("there is no Go on the PATH to build it")
        command = [self._go, "build", "-trimpath", "-ldflags", " ".join(("-s -w", *source.ldflags))]
        command += ["-o", str(target), source.package]
        what = f"building {title} with Go (the first build takes minutes, later ones seconds)"
        with self._progress.working(what):
            done = subprocess.run(
                command,
                cwd=self._modules / source.module,
                env={**os.environ, "CGO_ENABLED": "0"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode:
            words = " | ".join((done.stderr or done.stdout).strip().splitlines()[-5:])
            raise ClusterError(f"`go build` in {self._modules / source.module} ended with {done.returncode}: {words}")
