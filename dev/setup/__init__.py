"""The set-up of a developer's checkout: `python3 -m dev.setup`, with nothing but Python's standard library."""

import sys

# Written as a number so that this file says it, whatever old Python it meets, before newer syntax is read.
if sys.hexversion < 0x030B0000:
    sys.exit("set-up: this is Python " + sys.version.split()[0] + ", 3.11 or newer is needed: make PYTHON=python3.13 …")
