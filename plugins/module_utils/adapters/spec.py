# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules that ask a Prometheus."""

from __future__ import annotations

from typing import Any

from ..core.checks import LEVELS
from ..core.declared import DEFAULT_MARGIN, MODES
from ..core.findings import CHECKS
from ..core.options import DEFAULT_LOOKBACK, DEFAULT_MAX_AGE
from ..core.profiles import AUTO, PROFILE_NAMES
from ..core.quantity import format_duration, to_quantity

CONSTRAINTS: dict[str, Any] = {
    "mutually_exclusive": [("bearer_token", "url_username")],
    "required_by": {"url_password": "url_username", "client_key": "client_cert"},
}

_TEXT = {"type": "str"}
_NAME = {"type": "str", "required": True}
_PATH = {"type": "path"}
_SECRET = {"type": "str", "no_log": True}


def connection_spec(*, required: bool = True) -> dict[str, Any]:
    """Return the options of the way to Prometheus; its address is needed only where it is ``required``."""
    return {
        "prometheus_url": {"type": "str", "required": required},
        "bearer_token": _SECRET,
        "url_username": _TEXT,
        "url_password": _SECRET,
        "headers": {"type": "dict", "no_log": True},
        "ca_path": _PATH,
        "client_cert": _PATH,
        "client_key": {"type": "path", "no_log": False},
        "validate_certs": {"type": "bool", "default": True},
        "timeout": {"type": "int", "default": 10},
    }


def argument_spec(*, checks: bool) -> dict[str, Any]:
    """Return the options of a measuring module; with ``checks`` also the level of each check."""
    levels = {name: {"type": "str", "choices": list(LEVELS)} for name in CHECKS}
    return {
        **connection_spec(),
        "profile": {"type": "str", "default": AUTO, "choices": list(PROFILE_NAMES)},
        "lookback": {"type": "str", "default": format_duration(DEFAULT_LOOKBACK)},
        "max_age": {"type": "str", "default": format_duration(DEFAULT_MAX_AGE)},
        "margin": {"type": "raw", "default": to_quantity(DEFAULT_MARGIN)},
        "cards": {"type": "list", "elements": "dict", "default": [], "options": _card_options()},
        "tenants": {"type": "list", "elements": "dict", "default": [], "options": _tenant_options()},
        **({"checks": {"type": "dict", "options": levels}} if checks else {}),
    }


def _card_options() -> dict[str, Any]:
    return {"name": _NAME, "node": _TEXT, "uuid": _TEXT, "total": {"type": "raw"}}


def _tenant_options() -> dict[str, Any]:
    return {
        "name": _NAME,
        "card": _TEXT,
        "mode": {"type": "str", "required": True, "choices": list(MODES)},
        "peak": {"type": "raw", "required": True},
        "floor": {"type": "raw"},
        "namespace": _NAME,
        "pods": _TEXT,
        "target": {
            "type": "dict",
            "options": {"kind": {"type": "str", "required": True, "choices": ["Deployment"]}, "name": _NAME},
        },
        "may_yield": {"type": "bool"},
        "windows": {
            "type": "list",
            "elements": "dict",
            "options": {
                "start": _NAME,
                "end": _NAME,
                "timezone": _TEXT,
                "days": {"type": "list", "elements": "str"},
            },
        },
    }
