"""What an administrator does to a gate: takes its rights, denies its writes, replaces its target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.integration.clusters import wait_for
from tests.integration.gating import TARGET
from tests.integration.gating_lanes import Lane
from tests.integration.gating_observer import MERGE

RBAC = "/apis/rbac.authorization.k8s.io/v1"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


@dataclass
class Rights:
    """The gate's Role in the target's namespace."""

    lane: Lane
    path: str
    rules: list[dict[str, Any]]

    def take(self, resource: str) -> None:
        """Take the right to a resource away; the authorizer knows it soon after."""
        self._patch([rule for rule in self.rules if resource not in rule["resources"]])

    def allow(self, resource: str, names: list[str]) -> None:
        """Let a rule hold for these names."""
        self._patch(
            [{**rule, "resourceNames": names} if resource in rule["resources"] else rule for rule in self.rules]
        )

    def give(self) -> None:
        """Give all rights back."""
        self._patch(self.rules)

    def _patch(self, rules: list[dict[str, Any]]) -> None:
        self.lane.ground.admin.ask("PATCH", self.path, {"rules": rules}, MERGE)


@contextmanager
def rights(lane: Lane) -> Iterator[Rights]:
    """Return the rights of a lane's gate; they are whole again in the end."""
    path = f"{RBAC}/namespaces/{lane.namespace}/roles/offpeak-gate"
    found = Rights(lane, path, lane.ground.admin.ask("GET", path)["rules"])
    try:
        yield found
    finally:
        found.give()


@dataclass
class Denial:
    """A validating admission policy that denies some scales of the target."""

    lane: Lane
    name: str

    def lift(self) -> None:
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
            self.lane.ground.admin.ask("DELETE", f"{ADMISSION}/{kind}/{self.name}")

    def strikes(self, replicas: int) -> bool:
        """Tell whether it denies these replicas already: it takes the API server a moment to know a policy."""
        path = f"/apis/apps/v1/namespaces/{self.lane.namespace}/deployments/{TARGET}/scale?dryRun=All"
        told = self.lane.ground.admin.send("PATCH", path, {"spec": {"replicas": replicas}}, MERGE)
        return told.status_code == 422


@contextmanager
def denial(lane: Lane, denied: int) -> Iterator[Denial]:
    """Let nobody scale the lane's target to ``denied`` replicas, until it is lifted."""
    policy = Denial(lane, f"deny-{lane.namespace}")
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments/scale"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": lane.namespace}}
    expression = f"!has(object.spec.replicas) ? {denied} != 0 : object.spec.replicas != {denied}"
    checks = [{"expression": expression, "message": "not now"}]
    spec = {"matchConstraints": {"resourceRules": [rule], "namespaceSelector": here}, "validations": checks}
    bound = {"policyName": policy.name, "validationActions": ["Deny"]}
    for kind, body in (("validatingadmissionpolicies", spec), ("validatingadmissionpolicybindings", bound)):
        lane.ground.admin.ask("POST", f"{ADMISSION}/{kind}", {"metadata": {"name": policy.name}, "spec": body})
    try:
        wait_for(lambda: policy.strikes(denied), what="the admission policy to be in force", every=0.2, within=60)
        yield policy
    finally:
        policy.lift()


def deliver(lane: Lane, *, ready: bool = True, **status: Any) -> None:
    """Let the kubelet report another status of the target's only pod."""
    conditions = [{"type": kind, "status": str(ready)} for kind in ("Ready", "ContainersReady")]
    path = f"/api/v1/namespaces/{lane.namespace}/pods/{lane.the_pod()}/status"
    body = {"status": {**({} if ready else {"conditions": conditions}), **status}}
    lane.ground.admin.ask("PATCH", path, body, "application/strategic-merge-patch+json")
