# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one way from an AnsibleModule through the core to its result, and what of its options may be seen."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ..core.checks import WARN, judge, parse_levels
from ..core.declared import Plan
from ..core.errors import InputError, Problem
from ..core.measure import measure
from ..core.options import parse_options
from ..core.plan import parse_plan
from ..core.reading import Reading
from ..core.result import result
from .connection import HIDDEN, PLAIN_HEADERS, Connection, connection, without_credentials
from .prometheus import REQUESTS_IMPORT_ERROR, PrometheusClient
from .spec import CONSTRAINTS, argument_spec

#: what is shorter could be part of a word that is no secret
_TELLING = 4


class PrometheusModule(AnsibleModule):  # type: ignore[misc] # Ansible ships no types
    """A module with the options of the way to Prometheus, that shows no secret of them whatever ends it."""

    params: dict[str, Any]

    def fail_json(self, msg: str, **more: Any) -> NoReturn:
        """End the module; options that it refuses come here before anybody else has seen them."""
        self.params = presentable(self.params)
        super().fail_json(msg, **more)
        raise AssertionError("fail_json ends the module")

    def taken(self) -> dict[str, Any]:
        """Return the options, and leave in the module only what the user may see of them.

        ``no_log`` blackens the values of all headers wherever they occur in the result: a tenant id such as ``1`` in
        ``X-Scope-OrgID`` would blacken sizes. Header values are hidden here instead, and only secret ones stay
        blackened.
        """
        params = dict(self.params)
        plain = {str(value) for name, value in (params["headers"] or {}).items() if name.lower() in PLAIN_HEADERS}
        secret = self.no_log_values - (plain - {params["bearer_token"], params["url_password"]})
        self.no_log_values.clear()
        self.blacken(secret)
        self.params = presentable(params)
        return params

    def blacken(self, secrets: Iterable[str]) -> None:
        """Have these hidden wherever they occur in what the module tells, but for those that could be part of a size.

        These are hidden where they are options, and in what others say.
        """
        self.no_log_values.update(secret for secret in secrets if len(secret) >= _TELLING and not secret.isdigit())


class VramModule(PrometheusModule):
    """A measuring module; the same keys come back whatever ends it."""

    def __init__(self, *, judged: bool) -> None:
        self.judged = judged
        super().__init__(argument_spec=argument_spec(checks=judged), supports_check_mode=True, **CONSTRAINTS)

    def fail_json(self, msg: str, **more: Any) -> NoReturn:
        """End the module, with what a measurement that never began has found."""
        super().fail_json(**{**nothing("bad_input", msg, judged=self.judged), **more, "msg": msg})


def presentable(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as the user may see them."""
    shown = {**params, **{name: HIDDEN for name in ("bearer_token", "url_password", "headers") if params.get(name)}}
    if isinstance(params.get("headers"), Mapping):
        shown["headers"] = dict.fromkeys(params["headers"], HIDDEN) or None
    plan = params.get("plan")
    if isinstance(plan, Mapping):
        shown["plan"] = _without_credentials(plan)
    return _without_credentials(shown)


def _without_credentials(found: Mapping[str, Any]) -> dict[str, Any]:
    url = found.get("prometheus_url")
    return {**found, "prometheus_url": without_credentials(url)} if isinstance(url, str) else dict(found)


def run_module(module: VramModule) -> None:
    """Measure, judge if so wished, and end the module."""
    params, judged = module.taken(), module.judged
    if REQUESTS_IMPORT_ERROR:
        missing = missing_required_lib("requests")
        module.fail_json(**nothing("missing_library", missing, judged=judged), exception=REQUESTS_IMPORT_ERROR)
    try:
        found, failed = _measured(module, params, judged=judged)
    except InputError as error:
        found, failed = nothing("bad_input", str(error), judged=judged), True
    if failed:
        module.fail_json(**found)
    module.exit_json(changed=False, **found)


def nothing(code: str, message: str, *, judged: bool) -> dict[str, Any]:
    """Return the result of a measurement that never began."""
    plan, reading = Plan((), ()), Reading(problems=(Problem(code, message),))
    return {**result(plan, reading, judge(plan, reading, {}) if judged else None), "msg": message}


def _measured(module: VramModule, params: dict[str, Any], *, judged: bool) -> tuple[dict[str, Any], bool]:
    """Return the result, and whether the module fails: on an unsafe verdict, or blind where nobody asked for one."""
    plan = parse_plan({key: params[key] for key in ("margin", "cards", "tenants")}, where="")
    levels = parse_levels(_given(params.get("checks")))
    options = parse_options(params)
    way = connection(params)
    module.blacken(way.secrets)
    reading = _located(measure(PrometheusClient(way), plan, options, now=time.time()), way)
    if not judged:
        return result(plan, reading), bool(reading.problems)
    verdict = judge(plan, reading, levels)
    warnings = [check for check in verdict.checks if check.level == WARN and not check.passed]
    for check in warnings if verdict.safe else ():  # an unsafe verdict fails with all of them in its table
        module.warn(f"{check.name}: {check.msg}")
    return result(plan, reading, verdict), not verdict.safe


def _located(reading: Reading, way: Connection) -> Reading:
    """Return the reading with the option that is to blame in its first problem, if none names it."""
    problems = reading.problems
    if not problems or any("prometheus_url" in problem.message for problem in problems):
        return reading
    first = replace(problems[0], message=f"prometheus_url {way.url}: {problems[0].message}")
    return replace(reading, problems=(first, *problems[1:]))


def _given(levels: dict[str, Any] | None) -> dict[str, Any]:
    return {name: level for name, level in (levels or {}).items() if level is not None}
