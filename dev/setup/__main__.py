"""`python3 -m dev.setup`: everything that the other commands need. `python3 -m dev.setup lock`: pin the tools anew."""

from __future__ import annotations

import sys

from . import system, tools, tree
from .common import ROOT, SetupError, only_one


def main(arguments: list[str]) -> str | None:
    """Return what is wrong, or None."""
    if arguments not in ([], ["lock"]):
        return "usage: python3 -m dev.setup [lock]"
    try:
        with only_one(ROOT / ".cache"):
            if arguments == ["lock"]:
                tools.lock()
            system.provide()
            tools.provide()
            tree.provide()
    except SetupError as exc:
        return f"set-up: {exc}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
