# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a plan declares, as values: cards, tenants, and how a tenant's pods are recognised. Sizes are in bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from .errors import InputError
from .quantity import GIB

WARM = "warm"
ON_DEMAND = "on_demand"
GATED = "gated"
MODES = (WARM, ON_DEMAND, GATED)

DEFAULT_MARGIN = 2 * GIB


@dataclass(frozen=True)
class Card:
    """One declared card: ``node`` and ``uuid`` select it, ``total_bytes`` caps what is measured."""

    name: str
    node: Optional[str] = None
    uuid: Optional[str] = None
    total_bytes: Optional[int] = None


@dataclass(frozen=True)
class Target:
    """The object whose scale admits or yields a gated tenant."""

    kind: str
    name: str


@dataclass(frozen=True)
class Tenant:
    """One declared workload; ``pods`` is an anchored regular expression on pod names within ``namespace``."""

    name: str
    mode: str
    peak_bytes: int
    namespace: str
    card: Optional[str] = None
    pods: Optional[str] = None
    floor_bytes: Optional[int] = None
    target: Optional[Target] = None
    may_yield: bool = True
    windows: tuple[Mapping[str, Any], ...] = ()


#: how a Deployment calls its pods: name-hash-suffix. No more parts than these: the target `a-b` is not one of `a`
DEPLOYMENT_PODS = "(?:-[a-z0-9]+){1,2}"
#: what the group of a Deployment's pods begins with; no tenant is called so
TARGET_GROUP = "target/"


@dataclass(frozen=True)
class Claim:
    """A tenant's pods: those of ``namespace`` whose name matches ``pattern``, or the rest of the namespace (None).

    ``target`` is the name of the Deployment where the pattern is that of its pods' names.
    """

    tenant: str
    namespace: str
    pattern: Optional[str]
    target: Optional[str] = None

    @property
    def group(self) -> str:
        """Return how its pods are told apart from others of the namespace in sums; empty for the rest."""
        if self.target is not None:
            return TARGET_GROUP + self.target
        return "" if self.pattern is None else self.tenant

    def covers(self, namespace: str, pod: str) -> bool:
        """Tell whether the pod belongs to the tenant."""
        return namespace == self.namespace and (self.pattern is None or bool(re.fullmatch(self.pattern, pod)))


@dataclass(frozen=True)
class Plan:
    """The cards and tenants of one inventory; ``margin_bytes`` covers the race between a look and an allocation."""

    cards: tuple[Card, ...]
    tenants: tuple[Tenant, ...]
    margin_bytes: int = DEFAULT_MARGIN

    def tenant(self, name: str) -> Tenant:
        """Return the tenant called ``name``; an unknown one is an error that lists those declared."""
        for tenant in self.tenants:
            if tenant.name == name:
                return tenant
        declared = ", ".join(tenant.name for tenant in self.tenants) or "none"
        raise InputError("vram_plan.tenants", name, "is not declared there", f"declared: {declared}")

    def claims(self) -> tuple[Claim, ...]:
        """Return who claims which pods, patterns before whole namespaces.

        A tenant alone in its namespace owns all of it; in a shared one its ``pods`` or its target's name decides. The
        first claim that covers a pod has it.
        """
        shared = [tenant.namespace for tenant in self.tenants]
        claims = [_claim(tenant, alone=shared.count(tenant.namespace) == 1) for tenant in self.tenants]
        return tuple(sorted(claims, key=lambda claim: claim.pattern is None))


def _claim(tenant: Tenant, *, alone: bool) -> Claim:
    if tenant.pods is not None or tenant.target is None or alone:
        return Claim(tenant.name, tenant.namespace, tenant.pods)
    name = tenant.target.name
    return Claim(tenant.name, tenant.namespace, re.escape(name) + DEPLOYMENT_PODS, name)
