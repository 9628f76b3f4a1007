"""`make unit`: the unit tests, and once more under the newer ansible-core where its Python is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from dev.setup.common import VENV
from dev.setup.tools import NEWER_VENV

from .stage import Check, run_all

NO_NEWER = "no Python 3.12 or 3.13 is installed, so ansible-core 2.21 is not tested here"


def environments() -> list[Path]:
    """Return the virtual environments to test in, and say so if the newer one is missing."""
    if sys.version_info >= (3, 12):
        return [VENV]
    if not NEWER_VENV.is_dir():
        print(NO_NEWER)
        return [VENV]
    return [VENV, NEWER_VENV]


def inside(venv: Path) -> dict[str, str]:
    """Return the variables under which the programs of that environment come first."""
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "ANSIBLE_PYTHON_INTERPRETER": str(venv / "bin" / "python")}


def checks() -> list[Check]:
    # The newer ansible-core is for what depends on it: the tools of dev/ run on one Python only.
    suites = {VENV: ["tests/unit"], NEWER_VENV: ["tests/unit/plugins", "tests/unit/roles"]}
    return [
        Check(
            f"pytest in {venv.name}",
            [venv / "bin" / "pytest", "-q", "-n", "auto", "--dist", "worksteal", *suites[venv]],
            env=inside(venv),
            shown=True,
        )
        for venv in environments()
    ]


if __name__ == "__main__":
    sys.exit(run_all(checks()))
