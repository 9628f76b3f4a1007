"""The programs that take part: those of the local cluster, and two that may be on the PATH."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path

from dev.cluster.catalog import TOOLS
from dev.cluster.download import Downloader
from dev.cluster.gobuild import GoBuilder
from dev.cluster.progress import Progress
from dev.cluster.resolver import Resolver


class Programs:
    """Finds them once; what the local cluster does not have yet is fetched or built as for `make cluster`."""

    def __init__(self, progress: Progress) -> None:
        resolver = Resolver(progress, Downloader(), GoBuilder(progress, go=shutil.which("go")))
        self._resolve = cache(lambda name: resolver.resolve(TOOLS[name]).path)
        self.kubectl = shutil.which("kubectl")
        self.curl = shutil.which("curl")

    def path(self, name: str) -> Path:
        """Return a program of the local cluster."""
        return self._resolve(name)
