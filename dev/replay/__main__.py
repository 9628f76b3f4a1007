"""`python -m dev.replay [day.json]`: the tables of docs/gate.md, from the owner's day or another one."""

from __future__ import annotations

import sys
from pathlib import Path

from .day import OWNER, load
from .table import table

if __name__ == "__main__":
    for day in load(Path(sys.argv[1]) if len(sys.argv) > 1 else OWNER):
        print(table(day))
