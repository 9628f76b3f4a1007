"""A running gate: its log, its metrics, its health checks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests

from dev import loopback
from dev.cluster.ports import LOOPBACK, reserved_port

STOP_WITHIN = 30


class GateProcess:
    """The program of ``program`` (the folder that its ConfigMap is mounted as), started with ``arguments``."""

    def __init__(
        self,
        folder: Path,
        program: Path,
        arguments: Sequence[str],
        *,
        listens: bool = True,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._held = ExitStack()
        self._url = f"http://{LOOPBACK}:{self._held.enter_context(reserved_port())}"
        command = [sys.executable, "-B", "-S", "-m", "voice.gate", *arguments]
        command += [f"--listen={self._url.removeprefix('http://')}"] if listens else []
        errors, out = (self._held.enter_context((folder / name).open("wb")) for name in ("stderr", "stdout"))
        # Nothing of the caller's Python settings: the pod has none of them.
        own = {name: os.environ[name] for name in ("PATH", "LANG", "TZDIR") if name in os.environ}
        self.process = subprocess.Popen(command, cwd=program, stdout=out, stderr=errors, env=own | dict(environ or {}))

    def lines(self, kind: str = "") -> list[dict[str, Any]]:
        """Return the log so far: every line is JSON, and the last one may still be on its way."""
        text = (self.folder / "stdout").read_text(encoding="utf-8")
        found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in found if kind in ("", line["kind"])]

    def reasons(self) -> list[str]:
        """Return the reasons of all transitions so far."""
        return [line["reason"] for line in self.lines("transition")]

    def errors(self) -> set[str]:
        """Return the classes of all errors so far."""
        return {line["error"] for line in self.lines("error")}

    def metric(self, name: str, **labels: str) -> float | None:
        """Return one of its metrics, None where there is none."""
        try:
            page = loopback.get(f"{self._url}/metrics", timeout=5).text
        except (requests.ConnectionError, requests.Timeout):
            return None  # it does not listen yet, or is busy
        for line in page.splitlines():
            match = re.fullmatch(rf"offpeak_gate_{name}(?:\{{(.*)\}})? (\S+)", line)
            if match and all(f'{key}="{value}"' in (match[1] or "") for key, value in labels.items()):
                return float(match[2])
        return None

    def status(self, path: str) -> int:
        """Return the HTTP status of a health check, 0 while nobody answers."""
        with contextlib.suppress(requests.ConnectionError, requests.Timeout):
            return loopback.get(f"{self._url}{path}", timeout=5).status_code
        return 0

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it and return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(STOP_WITHIN)

    def close(self) -> None:
        """End it at once if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_WITHIN)
        self._held.close()

    def complaints(self) -> str:
        """Return what it wrote to stderr: a traceback, or nothing."""
        return (self.folder / "stderr").read_text(encoding="utf-8")
