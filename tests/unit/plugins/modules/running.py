# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a module's main() as Ansible does: options in, one JSON object out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from ansible.module_utils.ansible_release import __version__
from ansible.module_utils.testing import patch_module_args
from packaging.version import Version

from tests.plans import CARDS, STT, WINDOW, tts

# The newer ansible-core returns the invocation only where it is asked for; the older knows no such option.
INVOCATION = {"_ansible_inject_invocation": True} if Version(__version__) >= Version("2.21") else {}

TENANTS = [STT, tts(windows=[{**WINDOW, "days": ["mon", "sun"]}])]


def options(prometheus_url: str, **others: object) -> dict[str, Any]:
    """Return the options of a plan that fits on the played T4."""
    return {"prometheus_url": prometheus_url, "cards": CARDS, "tenants": TENANTS, **others}


class Run(Protocol):
    """Runs a module and returns its result."""

    def __call__(self, main: Callable[[], None], params: dict[str, Any], *, check: bool = False) -> dict[str, Any]: ...


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs ``main`` with ``params``; the exit code must agree with the result."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    def runner(main: Callable[[], None], params: dict[str, Any], *, check: bool = False) -> dict[str, Any]:
        asked = {**params, "_ansible_check_mode": check, **INVOCATION}
        with patch_module_args(asked), pytest.raises(SystemExit) as ended:
            main()
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert ended.value.code == (1 if found.get("failed") else 0)
        return found

    return runner
