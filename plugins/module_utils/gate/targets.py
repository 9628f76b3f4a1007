# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API server says of each target, with one request for a namespace and one more for a look.

The pods of a namespace tell most: replicas are asked where they contradict what is known, and of one target in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

from ..core.gate_view import TargetFacts
from ..core.policy import Policy, TenantPolicy
from .kube import Kube, KubeError, Object
from .pods import leaving, pods_of, ready

Report = Callable[[str, str, str], object]


class Targets:
    """The targets of the policy; ``report`` takes the class and the message of every error, and what it is about."""

    def __init__(self, kube: Kube, report: Report) -> None:
        self._kube = kube
        self._report = report
        self._scales: dict[str, Object] = {}
        self._turn = 0
        #: at which look a namespace was last asked for in vain: it comes last, and the others do not wait for it
        self._failed: dict[str, int] = {}

    def begin(self) -> None:
        """Begin a look."""
        self._kube.begin()

    def look(self, policy: Policy) -> dict[str, Optional[TargetFacts]]:
        """Return the facts of each tenant's target; None where the API server does not tell."""
        self._scales = {tenant.name: self._scales.get(tenant.name, {}) for tenant in policy.tenants}
        self._turn += 1
        facts: dict[str, Optional[TargetFacts]] = dict.fromkeys(self._scales)
        try:
            namespaces = dict.fromkeys(tenant.namespace for tenant in policy.tenants)
            for namespace in sorted(namespaces, key=lambda name: self._failed.get(name, 0)):
                pods = self._pods(namespace)
                for number, tenant in enumerate(policy.tenants):
                    if tenant.namespace == namespace and pods is not None:
                        due = number == self._turn % len(policy.tenants)
                        facts[tenant.name] = self._facts(tenant, pods_of(pods, tenant.target.name), due=due)
        except KubeError as error:
            self._report(error.code, str(error), "")
        return facts

    def metadata(self, tenant: str) -> Object:
        """Return the metadata of the target as last seen, to tell about whom an Event is."""
        found: Object = self._scales.get(tenant, {}).get("metadata") or {}
        return found

    def set(self, tenant: TenantPolicy, replicas: int) -> None:
        """Set the replicas; raises KubeError."""
        self._scales[tenant.name] = {}
        self._scales[tenant.name] = self._kube.set_scale(tenant.namespace, tenant.target.name, replicas)

    def _pods(self, namespace: str) -> Optional[list[Object]]:
        try:
            pods = self._kube.pods(namespace)
        except KubeError as error:
            self._note(namespace, error)
            if error.unreachable:
                raise
            self._report(error.code, str(error), namespace)
            return None
        self._failed.pop(namespace, None)
        return pods

    def _note(self, namespace: str, error: KubeError) -> None:
        if error.sent:
            self._failed[namespace] = self._turn

    def _facts(self, tenant: TenantPolicy, pods: Sequence[Mapping[str, Any]], *, due: bool) -> Optional[TargetFacts]:
        known = _replicas(self._scales[tenant.name])
        if due or known is None or known != sum(not leaving(pod) for pod in pods):
            known = self._ask(tenant)
        return None if known is None else TargetFacts(known, len(pods), ready=any(map(ready, pods)))

    def _ask(self, tenant: TenantPolicy) -> Optional[int]:
        try:
            scale = self._kube.scale(tenant.namespace, tenant.target.name)
        except KubeError as error:
            self._scales[tenant.name] = {}
            self._note(tenant.namespace, error)
            if error.unreachable:
                raise
            self._report(error.code, str(error), tenant.name)
            return None
        self._scales[tenant.name] = scale
        return _replicas(scale)


def _replicas(scale: Mapping[str, Any]) -> Optional[int]:
    """Return the replicas that a Scale asks for; the API server leaves out a 0."""
    return int((scale.get("spec") or {}).get("replicas", 0)) if scale else None
