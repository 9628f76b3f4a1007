"""Runs a program and takes its time; a run that failed has none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dev.bench.model import BenchError

CHECKOUT = Path(__file__).parents[2]
_THEIRS = re.compile(r"ANSIBLE_|K8S_AUTH_|KUBECONFIG$|MAKE|MFLAGS$|PYTHON|VIRTUAL_ENV")
_TIMEOUT = 600.0
_GRACE = 20.0
"""Seconds; ansible-playbook ends its workers, which no signal to its group reaches."""
_TAIL = 3000


@dataclass(frozen=True)
class Finished:
    """A run that succeeded: its wall-clock seconds and what it printed."""

    seconds: float
    output: str


def timed(
    command: Sequence[str | Path], env: Mapping[str, str] | None = None, says: str = "", limit: float = _TIMEOUT
) -> Finished:
    """Run a program in the checkout; raises BenchError unless it succeeds in `limit` seconds and tells `says`."""
    words = [str(word) for word in command]
    begin = time.perf_counter()
    try:
        output, status = _run(words, environment(env or {}), limit)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BenchError(f"{words[0]} did not run: {error}") from error
    seconds = time.perf_counter() - begin
    if status or says not in output:
        wanted = f"; its output should hold {says!r}" if says else ""
        raise BenchError(f"{' '.join(words)} ended with {status}{wanted}:\n{output[-_TAIL:]}")
    return Finished(seconds, output)


def _run(words: Sequence[str], env: Mapping[str, str], limit: float) -> tuple[str, int]:
    """Return the output and the status; an interrupted program may end its own children before it is killed."""
    with subprocess.Popen(
        words,
        cwd=CHECKOUT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except BaseException:
            process.terminate()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
            raise
        return output, process.returncode


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's environment without what would change what Ansible, make, Python and kubectl do."""
    kept = {name: value for name, value in os.environ.items() if not _THEIRS.match(name)}
    return {**kept, "LC_ALL": "C.UTF-8", **more}


@dataclass(frozen=True)
class Ansible:
    """Runs playbooks; `home` keeps what Ansible and kubernetes.core remember from one run to the next."""

    home: Path
    environ: Mapping[str, str]

    def play(self, playbook: Path, *arguments: str, says: str = "failed=0", **more: str) -> float:
        """Run a playbook and return the seconds; `says` is what its output must hold."""
        program = Path(sys.executable).with_name("ansible-playbook")
        inventory = [] if "-i" in arguments else ["-i", "localhost,"]
        return timed([program, playbook, *inventory, *arguments], self._environment() | more, says).seconds

    def _environment(self) -> dict[str, str]:
        tmp = self.home / "tmp"  # kubernetes.core caches there what it learnt of an API server
        tmp.mkdir(parents=True, exist_ok=True)
        return {
            "TMPDIR": str(tmp),
            "ANSIBLE_HOME": str(self.home),
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_NOCOLOR": "1",
            **self.environ,
        }
