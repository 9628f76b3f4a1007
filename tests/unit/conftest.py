"""Settings of all unit tests."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import settings

# A busy machine is no reason to fail; a failure prints what repeats it. Who works looks for new examples each time;
# a merge is judged by the same ones.
settings.register_profile("voice", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI")))
settings.load_profile("voice")


@pytest.fixture(scope="session")
def promtool() -> str:
    """Return where Prometheus' own checker is; what it would check is skipped on a machine without it."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not on the PATH: install Debian's prometheus, or put a release of it there")
    return found
