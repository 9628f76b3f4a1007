# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What roles need of one tenant of the plan: its entry, and the labels of its objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan

LABEL_MAX = 63  # https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set


def tenant(plan: object, name: object) -> dict[str, Any]:
    """Return the tenant ``name`` of the whole, validated plan; sizes are integers in bytes."""
    if not isinstance(name, str):
        raise AnsibleFilterError(f"sharedgpu.voice.tenant: {name!r} is no name; give the name of a tenant of vram_plan")
    try:
        found = asdict(parse_plan(plan).tenant(name))
    except InputError as error:
        raise AnsibleFilterError(f"sharedgpu.voice.tenant: {error}") from error
    return {**found, "windows": list(found["windows"])}


def tenant_labels(value: object, app: str | None = None) -> dict[str, str]:
    """Return the labels for all objects of a tenant (the result of :func:`tenant`) that runs ``app``."""
    if not isinstance(value, Mapping) or not {"name", "mode", "card"} <= set(value):
        raise AnsibleFilterError(
            "sharedgpu.voice.tenant_labels: the input is no tenant; use a result of sharedgpu.voice.tenant"
        )
    labels = {
        "app.kubernetes.io/name": _label_value(app or value["name"]),
        "app.kubernetes.io/instance": _label_value(value["name"]),
        "app.kubernetes.io/part-of": "sharedgpu-voice",
        "app.kubernetes.io/managed-by": "ansible",
        "sharedgpu.voice/tenant": _label_value(value["name"]),
        "sharedgpu.voice/mode": _label_value(value["mode"]),
        "sharedgpu.voice/card": _label_value(value["card"] or ""),
    }
    return {key: text for key, text in labels.items() if text}


def _label_value(value: object) -> str:
    """Return ``value`` with everything replaced that Kubernetes refuses in a label."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "-", str(value))[:LABEL_MAX]
    return re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9]+$", "", safe)


class FilterModule:
    """The filters of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters that Ansible may call."""
        return {"tenant": tenant, "tenant_labels": tenant_labels}
