"""`python -m dev.mutants [number ...]`: break the gate in every way of patches.py; fails where the tests are silent."""

from __future__ import annotations

import sys

from .patches import PATCHES
from .run import tried

if __name__ == "__main__":
    chosen = [int(text) for text in sys.argv[1:]] or list(range(len(PATCHES)))
    left = []
    for each, noticed in tried(chosen):
        left += [] if noticed else [each]
        told = "killed  " if noticed else "SURVIVED"
        print(f"{each:3} {told} {PATCHES[each][0]}: {PATCHES[each][1].strip()!r}", flush=True)
    print(f"{len(chosen) - len(left)} of {len(chosen)} killed")
    sys.exit(bool(left))
