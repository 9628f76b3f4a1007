"""A signal ends a start even where the exception that it raises is lost."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dev.setup.common import ROOT

# The signal comes while a finalizer runs: Python prints what is raised there, and goes on.
LOST = """
import os, signal, sys, weakref
from dev.cluster import interrupts
signal.signal(signal.SIGINT, getattr(signal, sys.argv[2]))
interrupts.install()
class Thing: pass
thing = Thing()
weakref.finalize(thing, os.kill, os.getpid(), int(sys.argv[1]))
del thing
print("went on", flush=True)
interrupts.check()
print("lost")
"""


def run(number: int, before: str = "SIG_DFL") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LOST, str(number), before]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_that_was_lost_is_raised_later(number: int) -> None:
    done = run(number)
    assert done.returncode != 0
    assert done.stdout == "went on\n"
    assert "Exception ignored in" in done.stderr


def test_a_job_of_the_background_ignores_ctrl_c() -> None:
    assert run(2, "SIG_IGN").stdout == "went on\nlost\n"
