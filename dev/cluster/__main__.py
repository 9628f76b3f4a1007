"""Entry point of ``python -m dev.cluster``."""

from __future__ import annotations

import sys

from dev.cluster.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
