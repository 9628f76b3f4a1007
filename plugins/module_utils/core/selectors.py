# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Label selectors of Deployments and Jobs, as the API server takes them when it lists pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import InputError

#: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements
_FORMS = {"In": "{key} in ({values})", "NotIn": "{key} notin ({values})", "Exists": "{key}", "DoesNotExist": "!{key}"}


def requirements(selector: Mapping[str, Any]) -> list[str]:
    """Return ``matchLabels`` and ``matchExpressions`` as requirements, all of which a pod must meet.

    Without any, all pods would be meant: it is for the caller to refuse that.
    Raises :class:`InputError` for an operator that Kubernetes does not have.
    """
    equal = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    return equal + [_requirement(expression) for expression in selector.get("matchExpressions") or []]


def _requirement(expression: Mapping[str, Any]) -> str:
    form = _FORMS.get(expression.get("operator", ""))
    if form is None:
        raise InputError("matchExpressions", dict(expression), "has no known operator", f"known: {', '.join(_FORMS)}")
    return form.format(key=expression["key"], values=",".join(expression.get("values") or []))
