"""Runs the gate's tests against a broken copy of the core, the cheap ones first, until one fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dev.setup.common import ROOT

from .patches import PATCHES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CORE = Path("plugins/module_utils/core")
TESTS = Path("tests/unit/plugins/module_utils/core")
FAST = ("test_gate_rules.py", "test_gate_owed.py", "test_gate_arriving.py", "test_gate_cards.py", "test_policy.py")
SUITES = (FAST, ("test_gate_walk.py", "test_windows.py"), ("test_replay.py", "test_gate_machine.py"))


@contextmanager
def copied() -> Iterator[Path]:
    """Yield a copy of what the tests need, with a collection tree that leads to itself."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for path in (CORE, TESTS, Path("docs"), Path("dev/replay"), Path("dev/setup")):
            shutil.copytree(ROOT / path, root / path, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", root)
        shutil.copy(ROOT / "tests" / "plans.py", root / "tests")
        voice = root / ".collections" / "ansible_collections" / "sharedgpu" / "voice"
        voice.parent.mkdir(parents=True)
        voice.symlink_to(root)
        yield root


def passes(root: Path, suite: Sequence[str]) -> bool:
    """Tell whether the suite passes in the copy; what is neither passed nor failed is an error."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:xdist", *(str(TESTS / name) for name in suite)]
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


@contextmanager
def broken(root: Path, number: int) -> Iterator[None]:
    """Apply one patch to the copy, and take it back."""
    name, old, new = PATCHES[number]
    path = root / CORE / name
    text = path.read_text()
    path.write_text(text.replace(old, new))
    yield
    path.write_text(text)


def tried(numbers: Sequence[int], suites: Sequence[Sequence[str]] = SUITES) -> Iterator[tuple[int, bool]]:
    """Yield each of the patches, and whether a suite notices it."""
    with copied() as root:
        for suite in suites:
            if not passes(root, suite):
                raise RuntimeError(f"the tests fail without any patch: {suite}")
        for number in numbers:
            with broken(root, number):
                noticed = not all(passes(root, suite) for suite in suites)
            yield number, noticed
