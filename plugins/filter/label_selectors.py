# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The selector of a Deployment as modules and the API server take it when they list pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError, shown
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.selectors import requirements


def label_selectors(selector: object) -> list[str]:
    """Return ``matchLabels`` and ``matchExpressions`` of a selector as requirements; none would select every pod."""
    remedy = "use spec.selector of a Deployment"
    try:
        found = requirements(selector) if isinstance(selector, Mapping) else []
    except InputError as error:
        raise AnsibleFilterError(f"sharedgpu.voice.label_selectors: {error}; {remedy}") from error
    if not found:
        problem = f"{shown(selector)} is no selector that chooses pods; {remedy}"
        raise AnsibleFilterError(f"sharedgpu.voice.label_selectors: {problem}")
    return found


class FilterModule:
    """The filter of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter that Ansible may call."""
        return {"label_selectors": label_selectors}
