# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role of the gate needs: the program's files, and what the plan means for Roles and CronJobs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import GATED
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import Policy, parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.windows import DAY_MINUTES, Window

#: every file of these folders of module_utils, and the files of others that they import
FOLDERS = ("core", "gate")
OTHERS = ("adapters/__init__.py", "adapters/answers.py", "adapters/connection.py")
MODULE_UTILS = Path(__file__).parents[1] / "module_utils"


def gate_bundle(package: object) -> dict[str, Any]:
    """Return the gate's program for a ConfigMap that is mounted as the Python package ``package``."""
    if not isinstance(package, str) or not package.isidentifier():
        raise AnsibleFilterError(f"sharedgpu.voice.gate_bundle: {package!r} is no name of a Python package")
    paths = sorted([*(path for folder in FOLDERS for path in (MODULE_UTILS / folder).glob("*.py")), *_others()])
    names = [path.relative_to(MODULE_UTILS).as_posix() for path in paths]
    files = {name.replace("/", "."): path.read_text(encoding="utf-8") for name, path in zip(names, paths)}
    digest = hashlib.sha256()
    for key, text in files.items():
        digest.update(f"{package} {key} {len(text)}\n{text}".encode())
    return {
        "files": files,
        "items": [{"key": name.replace("/", "."), "path": f"{package}/{name}"} for name in names],
        "sha256": digest.hexdigest(),
    }


def gate_policy(plan: object) -> dict[str, Any]:
    """Return the gated tenants of the whole, checked plan, their namespaces, and when their windows open and close."""
    try:
        policy = parse_policy(plan)
    except InputError as error:
        raise AnsibleFilterError(f"sharedgpu.voice.gate_policy: {error}") from error
    asked = [tenant for tenant in policy.tenants if tenant.demand]
    windows = [window for tenant in policy.tenants for window in tenant.windows]
    return {
        "tick": policy.gate.tick,
        "tenants": [
            {"name": tenant.name, "namespace": tenant.namespace, "target": tenant.target.name}
            for tenant in policy.tenants
        ],
        "namespaces": _namespaces(policy),
        "demand_urls": [tenant.demand.url for tenant in asked if tenant.demand and tenant.demand.url],
        "demand_by_promql": [tenant.name for tenant in asked if tenant.demand and tenant.demand.promql],
        "starts": _unique(_cron(window, window.start, late=False) for window in windows),
        "ends": _unique(_end(window) for window in windows),
    }


def gate_dropped(state: object, plan: object) -> list[dict[str, Any]]:
    """Return the targets of the policy in the gate's state ``state`` (its data) that ``plan`` does not gate any more.

    Who is declared under the same name in another mode is handed over, and left alone.
    """
    keys = {(entry["namespace"], entry["target"]) for entry in gated_targets(plan)}
    others = {tenant.get("name") for tenant in _tenants(plan) if tenant.get("mode") != GATED}
    former = (entry for entry in gated_targets(_last_policy(state)) if entry["name"] not in others)
    return [entry for entry in former if (entry["namespace"], entry["target"]) not in keys]


def gated_targets(plan: object) -> list[dict[str, Any]]:
    """Return the targets that a plan names, whether it can be used or not: to stop them, nothing else of it matters."""
    gated = [tenant for tenant in _tenants(plan) if tenant.get("mode") == GATED]
    named = [tenant for tenant in gated if isinstance(tenant.get("target"), Mapping)]
    return [
        {"name": tenant.get("name"), "namespace": tenant.get("namespace"), "target": tenant["target"].get("name")}
        for tenant in named
        if tenant.get("namespace") and tenant["target"].get("name")
    ]


def _last_policy(state: object) -> Any:
    text = state.get("policy") if isinstance(state, Mapping) else None
    try:
        return json.loads(text) if text else {}
    except ValueError as error:
        problem = f"the gate's state holds a policy that is no JSON ({error}); delete that ConfigMap"
        raise AnsibleFilterError(f"sharedgpu.voice.gate_dropped: {problem}") from error


def _tenants(plan: Any) -> list[Mapping[str, Any]]:
    found = plan.get("tenants") if isinstance(plan, Mapping) else None
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _others() -> Iterable[Path]:
    return (MODULE_UTILS / name for name in OTHERS)


def _namespaces(policy: Policy) -> list[dict[str, Any]]:
    names = dict.fromkeys(tenant.namespace for tenant in policy.tenants)
    return [
        {"name": name, "targets": [tenant.target.name for tenant in policy.tenants if tenant.namespace == name]}
        for name in names
    ]


def _end(window: Window) -> dict[str, str]:
    late = window.end < window.start or window.end == DAY_MINUTES
    return _cron(window, window.end % DAY_MINUTES, late=late)


def _cron(window: Window, minute: int, *, late: bool) -> dict[str, str]:
    """Return a CronJob's schedule; ``late`` is for what happens on the day after the window's own."""
    days = sorted((day + 1 + late) % 7 for day in window.days)
    told = "*" if len(days) == 7 else ",".join(map(str, days))
    return {"schedule": f"{minute % 60} {minute // 60} * * {told}", "timezone": window.zone.key}


def _unique(schedules: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(entry.values()): entry for entry in schedules}.values())


class FilterModule:
    """The filters of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters that Ansible may call."""
        return {
            "gate_bundle": gate_bundle,
            "gate_dropped": gate_dropped,
            "gate_policy": gate_policy,
            "gated_targets": gated_targets,
        }
