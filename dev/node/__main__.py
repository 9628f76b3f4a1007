"""Entry point of ``python -m dev.node``."""

from __future__ import annotations

import sys

from dev.node.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
