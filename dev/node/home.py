"""What the inside of the namespaces knows of the outside."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dev.cluster.errors import ClusterError

ADDRESS = "192.0.2.10"
"""The node's address in its own network: one for documentation, which nobody has."""

NAME = "gpu-1"

FOLDER = Path("/run/sharedgpu-node")
"""Where the folder of the run lies inside: a short path, for sockets have at most 107 characters."""

SETTINGS = "node.json"
VARIABLE = "SHAREDGPU_NODE"
"""Set inside, to the folder."""


@dataclass(frozen=True)
class Home:
    """The settings of one run."""

    cgroup: str
    """Path of its cgroup below the root of each hierarchy, with a slash first."""
    archive: str
    """The OCI archive with the images."""
    image: str
    """The Python image in it: name:tag@digest."""

    def write(self, folder: Path) -> None:
        """Leave it for the inside."""
        (folder / SETTINGS).write_text(json.dumps(asdict(self)), encoding="utf-8")


def load(environ: Mapping[str, str] = os.environ) -> Home:
    """Return the settings; raises ClusterError outside of the namespaces."""
    folder = environ.get(VARIABLE)
    if folder is None:
        raise ClusterError(
            "a real node needs namespaces of its own: run this through `python -m dev.node run COMMAND…` "
            "(`make molecule` does)"
        )
    return Home(**json.loads((Path(folder) / SETTINGS).read_text(encoding="utf-8")))
