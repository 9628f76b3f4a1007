# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole plan, checked where a playbook begins: the modules see only its parts, and not a misspelt one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.checks import parse_levels
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.options import parse_options
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan


def valid_plan(plan: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the plan as it was written, if it can be meant; whether it is safe is not asked here.

    What is null in it counts as left out.
    """
    try:
        parse_plan(plan)
        parse_levels(plan.get("checks"), "vram_plan.checks")
        parse_options(plan, "vram_plan")
    except InputError as error:
        raise AnsibleFilterError(f"sharedgpu.voice.valid_plan: {error}") from error
    if not plan.get("prometheus_url"):
        raise AnsibleFilterError(
            "sharedgpu.voice.valid_plan: vram_plan.prometheus_url is missing; "
            "write the address of the Prometheus that knows the cards, such as http://prometheus.monitoring.svc:9090"
        )
    return {key: value for key, value in plan.items() if value is not None}


class FilterModule:
    """The filter of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters that Ansible may call."""
        return {"valid_plan": valid_plan}
