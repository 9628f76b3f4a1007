"""Where the files of one cluster lie, and what is remembered between two commands."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dev.cluster.process import ProcessId


@dataclass(frozen=True)
class Record:
    """A started component: who it is, where it listens, and from what it was started."""

    process: ProcessId
    address: str
    fingerprint: str


class Layout:
    """The folder of one cluster."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.lock = self.root / "lock"
        self.logs = self.root / "logs"
        self.tmp = self.root / "tmp"
        self.data = self.root / "data"
        self.run = self.root / "run"
        self.secrets = self.root / "secrets"
        self.config = self.root / "config"
        self.kubeconfig = self.root / "kubeconfig"
        self.env = self.root / "env"
        self._ports = self.run / "ports.json"

    def create(self) -> None:
        """Create the folders; secrets are for the owner only."""
        for folder in (self.logs, self.tmp, self.data, self.run, self.config):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)

    def log(self, component: str) -> Path:
        """Return the log file of a component."""
        return self.logs / f"{component}.log"

    def records(self) -> dict[str, Record]:
        """Return what was started by name of the component, whether it still runs or not."""
        found = {}
        for path in sorted(self.run.glob("*.pid")):
            fields = _read(path)
            if fields:
                process = ProcessId(fields["pid"], fields["started"], fields["boot"])
                found[path.stem] = Record(process, fields["address"], fields["fingerprint"])
        return found

    def remember(self, component: str, record: Record) -> None:
        """Write the pid file of a component."""
        fields = {**asdict(record.process), "address": record.address, "fingerprint": record.fingerprint}
        write(self.run / f"{component}.pid", json.dumps(fields))

    def forget(self, component: str) -> None:
        """Drop the pid file of a component that is gone."""
        (self.run / f"{component}.pid").unlink(missing_ok=True)

    def ports(self) -> dict[str, int]:
        """Return the ports that were chosen before."""
        return _read(self._ports)

    def remember_ports(self, ports: dict[str, int]) -> None:
        """Keep the ports, so that a repaired component comes back where the others look for it."""
        write(self._ports, json.dumps(ports))


def write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace a file in one step, with its mode from the first moment."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def _read(path: Path) -> dict[str, Any]:
    """Read a JSON object; a missing or broken file is an empty one (what it named is found by its marker)."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}
