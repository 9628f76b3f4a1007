"""Runs a command inside the namespaces, and removes what they leave."""

from __future__ import annotations

import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dev.cluster.locking import exclusive
from dev.cluster.progress import Progress
from dev.node import cgroups
from dev.node.home import Home
from dev.node.machine import NAMESPACES
from dev.setup.common import ROOT

_WITHIN = 20.0


class Run:
    """One run of this checkout; a second one waits. `work` is the folder of all of them."""

    def __init__(self, progress: Progress, work: Path = ROOT / ".cache" / "node") -> None:
        self._progress = progress
        self._work = work
        self._folder = work / "run"
        self._roots = cgroups.hierarchies()
        self.cgroup = f"sharedgpu-voice-{hashlib.sha256(str(work).encode()).hexdigest()[:12]}"

    def __call__(self, command: Sequence[str], archive: Path, image: str) -> int:
        """Run it and return its status; however it ends, nothing of it stays."""
        with exclusive(self._work / "lock", self._progress, "runs a real node here"):
            self._clean()
            self._folder.mkdir(mode=0o700)
            Home(f"/{self.cgroup}", str(archive), image).write(self._folder)
            try:
                cgroups.create(self.cgroup, self._roots)
                return self._run(command)
            finally:
                self._clean()

    def _run(self, command: Sequence[str]) -> int:
        argv = ["setpriv", "--pdeathsig=SIGKILL", "unshare", *NAMESPACES]
        argv += [sys.executable, "-m", "dev.node.inside", str(self._folder), *command]
        child = subprocess.Popen(argv, cwd=ROOT)
        try:
            return child.wait() % 256
        finally:
            child.kill()
            child.wait()

    def _clean(self) -> None:
        """Remove the cgroup, which waits for the last process in it, then the folder, whose mounts went with them."""
        held = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)]
        try:
            cgroups.remove(self.cgroup, self._roots)
            deadline = time.monotonic() + _WITHIN
            while self._folder.exists():
                # The last breath of a process may still write.
                shutil.rmtree(self._folder, ignore_errors=time.monotonic() < deadline)
        finally:
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), held, strict=True):
                signal.signal(number, handler)
