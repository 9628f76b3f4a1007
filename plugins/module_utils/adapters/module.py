# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of the modules, and the one way from an AnsibleModule through the core to its result."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..core.checks import LEVELS, WARN, judge, parse_levels
from ..core.declared import DEFAULT_MARGIN, MODES, Plan
from ..core.errors import InputError, Problem
from ..core.findings import CHECKS
from ..core.measure import DEFAULT_LOOKBACK, DEFAULT_MAX_AGE, Options, measure
from ..core.plan import parse_plan
from ..core.profiles import AUTO, PROFILE_NAMES
from ..core.quantity import format_duration, parse_duration, to_quantity
from ..core.reading import Reading
from ..core.result import result
from .connection import HIDDEN, PLAIN_HEADERS, connection, without_credentials
from .prometheus import REQUESTS_IMPORT_ERROR, PrometheusClient

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


def run_module(module: AnsibleModule, *, judged: bool) -> None:
    """Measure, judge if so wished, and end the module: the same keys come back whatever happened."""
    params = taken(module)
    if REQUESTS_IMPORT_ERROR:
        missing = missing_required_lib("requests")
        module.fail_json(**_nothing("missing_library", missing, judged=judged), exception=REQUESTS_IMPORT_ERROR)
    try:
        found, failed = _measured(module, params, judged=judged)
    except InputError as error:
        found, failed = _nothing("bad_input", str(error), judged=judged), True
    if failed:
        module.fail_json(**found)
    module.exit_json(changed=False, **found)


def _nothing(code: str, message: str, *, judged: bool) -> dict[str, Any]:
    """Return the result of a measurement that never began."""
    plan, reading = Plan((), ()), Reading(problems=(Problem(code, message),))
    return {**result(plan, reading, judge(plan, reading, {}) if judged else None), "msg": message}


def _measured(module: AnsibleModule, params: dict[str, Any], *, judged: bool) -> tuple[dict[str, Any], bool]:
    """Return the result, and whether the module fails: on an unsafe verdict, or blind where nobody asked for one."""
    plan = parse_plan({key: params[key] for key in ("margin", "cards", "tenants")}, where="")
    levels = parse_levels(_given(params.get("checks")))
    options = Options(params["profile"], parse_duration(params["lookback"], "lookback"), _max_age(params["max_age"]))
    way = connection(params)
    module.no_log_values.update(way.secrets)
    reading = measure(PrometheusClient(way), plan, options)
    if not judged:
        return result(plan, reading), bool(reading.problems)
    verdict = judge(plan, reading, levels)
    warnings = [check for check in verdict.checks if check.level == WARN and not check.passed]
    for check in warnings if verdict.safe else ():  # an unsafe verdict fails with all of them in its table
        module.warn(f"{check.name}: {check.msg}")
    return result(plan, reading, verdict), not verdict.safe


def taken(module: AnsibleModule) -> dict[str, Any]:
    """Return the options, and leave in the module only what the user may see of them.

    ``no_log`` blackens the values of all headers wherever they occur in the result: a tenant id such as ``1`` in
    ``X-Scope-OrgID`` would blacken sizes. Header values are hidden here instead, and only secret ones stay blackened.
    """
    params = dict(module.params)
    headers = params["headers"] or {}
    plain = {str(value) for name, value in headers.items() if name.lower() in PLAIN_HEADERS}
    module.no_log_values -= plain - {params["bearer_token"], params["url_password"]}
    module.params["headers"] = dict.fromkeys(headers, HIDDEN) or None
    module.params["prometheus_url"] = without_credentials(params["prometheus_url"] or "") or None
    return params


def _given(levels: dict[str, Any] | None) -> dict[str, Any]:
    return {name: level for name, level in (levels or {}).items() if level is not None}


def _max_age(text: str) -> int:
    seconds = parse_duration(text, "max_age")
    if seconds == 0:
        raise InputError("max_age", text, "lets no sample count", "write how old a sample may be, such as 2m")
    return seconds
