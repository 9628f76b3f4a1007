"""A cgroup of our own in every hierarchy: several with v1, one with v2, both on some machines."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from dev.cluster.errors import ClusterError

_WITHIN = 20.0


def hierarchies(mounts: str | None = None) -> list[Path]:
    """Return the roots of all hierarchies, v2 also beside v1; `mounts` is the text of /proc/mounts."""
    text = Path("/proc/mounts").read_text(encoding="utf-8") if mounts is None else mounts
    rows = [line.split() for line in text.splitlines()]
    return [Path(row[1]) for row in rows if row[2] in ("cgroup", "cgroup2")]


def create(name: str, roots: Sequence[Path]) -> None:
    """Make the cgroup; what an earlier run left of that name goes first."""
    remove(name, roots)
    for root in roots:
        try:
            (root / name).mkdir()
        except OSError as error:
            raise ClusterError(f"no cgroup can be made in {root}: {error.strerror}") from error


def remove(name: str, roots: Sequence[Path]) -> None:
    """Remove the cgroup and all below it; waits for processes that are just ending."""
    deadline = time.monotonic() + _WITHIN
    for root in roots:
        while not _removed(root / name):
            if time.monotonic() > deadline:
                raise ClusterError(f"{root / name} cannot be removed: processes are still in it or below it")
            time.sleep(0.05)


def _removed(top: Path) -> bool:
    for folder, _folders, _files in os.walk(top, topdown=False):
        try:
            Path(folder).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
