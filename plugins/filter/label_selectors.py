# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The selector of a Deployment as modules and the API server take it when they list pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

#: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
FORMS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


def label_selectors(selector: object) -> list[str]:
    """Return ``matchLabels`` and ``matchExpressions`` of a selector as requirements; none would select every pod."""
    if not isinstance(selector, Mapping):
        raise _unusable(selector)
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    found = equal + [_requirement(expression) for expression in selector.get("matchExpressions") or []]
    if not found:
        raise _unusable(selector)
    return found


def _requirement(expression: Mapping[str, Any]) -> str:
    form = FORMS.get(expression.get("operator", ""))
    if form is None:
        raise _unusable(expression)
    return form.format(key=expression["key"], values=",".join(expression.get("values") or []))


def _unusable(value: object) -> AnsibleFilterError:
    problem = f"{value!r} is no selector that chooses pods; use spec.selector of a Deployment"
    return AnsibleFilterError(f"sharedgpu.voice.label_selectors: {problem}")


class FilterModule:
    """The filter of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter that Ansible may call."""
        return {"label_selectors": label_selectors}
