# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who else scales what a gate is to scale, by what the API server holds. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .objects import Object

GATE_LABEL = "sharedgpu.voice/gate"


@dataclass(frozen=True)
class Target:
    """A Deployment that a gate is to scale for ``tenant``."""

    tenant: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Others:
    """What one namespace holds of those who may scale in it."""

    autoscalers: Sequence[Object] = ()
    scaled_objects: Sequence[Object] = ()
    roles: Sequence[Object] = ()
    bindings: Sequence[Object] = ()


def rivals(target: Target, others: Others, gate: tuple[str, str]) -> list[str]:
    """Return who else scales ``target``, as kind and name; ``gate`` is the namespace and name of the gate itself."""
    own = [f"ScaledObject {_name(item)}" for item in others.scaled_objects if _aims(item, target)]
    # KEDA makes an autoscaler for each ScaledObject, and makes it again when it is removed: the ScaledObject is to go.
    plain = (item for item in others.autoscalers if not _made_by(item, "ScaledObject"))
    own += [f"HorizontalPodAutoscaler {_name(item)}" for item in plain if _aims(item, target)]
    return own + [f"the gate {name} of namespace {namespace}" for namespace, name in _gates(target, others, gate)]


def _aims(item: Object, target: Target) -> bool:
    aim = item["spec"].get("scaleTargetRef") or {}
    # A ScaledObject without a kind means a Deployment: https://keda.sh/docs/latest/reference/scaledobject-spec/
    return (aim.get("kind") or "Deployment", aim.get("name")) == ("Deployment", target.name)


def _gates(target: Target, others: Others, own: tuple[str, str]) -> Iterable[tuple[str, str]]:
    """Return the accounts of other gates that may scale the target."""
    able = {_name(role) for role in others.roles if any(_scales(rule, target.name) for rule in role.get("rules") or [])}
    for binding in others.bindings:
        if binding["roleRef"]["name"] in able:
            accounts = ((one.get("namespace", ""), one["name"]) for one in binding.get("subjects") or [])
            yield from (account for account in accounts if account != own)


def _scales(rule: Mapping[str, Sequence[str]], name: str) -> bool:
    return "deployments/scale" in (rule.get("resources") or ()) and name in (rule.get("resourceNames") or ())


def _made_by(item: Object, kind: str) -> bool:
    return any(owner.get("kind") == kind for owner in item["metadata"].get("ownerReferences") or [])


def _name(item: Object) -> str:
    return str(item["metadata"]["name"])
