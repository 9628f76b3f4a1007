"""What the gate's account may do, asked of the API server's authorizer and tried for real with the account's token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.dynamic import DynamicClient

from dev import loopback
from tests.integration.applying import Live
from tests.integration.clusters import LocalCluster
from tests.integration.gating import TARGET, World, deploy, deployment, namespaces
from tests.integration.plays import Playbooks

OTHER = "frigate"
STATE = "offpeak-gate-state"
GROUPS = {"": "/api/v1", "apps": "/apis/apps/v1", "batch": "/apis/batch/v1", "events.k8s.io": "/apis/events.k8s.io/v1"}
VERBS = {"get": "GET", "list": "GET", "create": "POST", "patch": "PATCH", "update": "PUT", "delete": "DELETE"}


@dataclass(frozen=True)
class Act:
    """One thing to try; ``where`` is tenant, gate, other (a namespace of somebody else) or empty for the cluster."""

    verb: str
    resource: str
    name: str = ""
    where: str = "tenant"
    group: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.name} {self.where}".replace("  ", " ")


ALLOWED = [
    Act("get", "deployments/scale", TARGET, group="apps"),
    Act("patch", "deployments/scale", TARGET, group="apps"),
    Act("list", "pods"),
    Act("create", "events", group="events.k8s.io"),
    Act("get", "configmaps", STATE, "gate"),
    Act("patch", "configmaps", STATE, "gate"),
    Act("create", "events", "", "gate", "events.k8s.io"),
]
REFUSED = [
    *(Act(verb, "pods", "any") for verb in ("get", "patch", "update", "delete")),
    Act("create", "pods"),
    Act("create", "pods/eviction", "any"),
    Act("create", "pods/exec", "any"),
    *(Act(verb, "deployments", TARGET, group="apps") for verb in ("get", "patch", "update", "delete")),
    *(Act(verb, "deployments", group="apps") for verb in ("list", "create")),
    *(Act(verb, "deployments/scale", OTHER, group="apps") for verb in ("get", "patch", "update")),
    Act("update", "deployments/scale", TARGET, group="apps"),
    *(Act(verb, "secrets", "any", where) for verb in ("get", "delete") for where in ("tenant", "gate", "other")),
    *(Act("list", "secrets", "", where) for where in ("tenant", "gate", "other", "")),
    *(Act(verb, "configmaps", "offpeak-gate-policy", "gate") for verb in ("get", "patch", "update", "delete")),
    *(Act(verb, "configmaps", STATE, "gate") for verb in ("update", "delete")),
    Act("list", "configmaps", "", "gate"),
    *(Act(verb, "events", "any", group="events.k8s.io") for verb in ("get", "patch", "delete")),
    Act("create", "events", "", "other", "events.k8s.io"),
    Act("list", "pods", "", "other"),
    Act("list", "pods", "", "gate"),
    Act("list", "pods", "", ""),
    Act("get", "deployments/scale", TARGET, "other", "apps"),
    Act("patch", "deployments/scale", TARGET, "other", "apps"),
    Act("list", "namespaces", "", ""),
    Act("list", "nodes", "", ""),
    Act("get", "cronjobs", "any", "gate", "batch"),
]


@pytest.fixture(scope="module")
def world(cluster: LocalCluster, kube: DynamicClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("rights")
    with namespaces(kube, "tts", "gate") as (tenant, gate):
        deployments = kube.resources.get(api_version="apps/v1", kind="Deployment")
        for name in (TARGET, OTHER):
            deployments.create(body=deployment(name), namespace=tenant)
        built = World(cluster, kube, Live(kube, tenant), Live(kube, gate), folder)
        playbooks = Playbooks(folder, cluster.environ | {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)})
        deploy(built, playbooks).ok()
        yield built


def namespace_of(act: Act, world: World) -> str:
    return {"tenant": world.namespace, "gate": world.gates.namespace, "other": "kube-system", "": ""}[act.where]


def reviewed(world: World, act: Act) -> bool:
    """Return what the authorizer says."""
    resource, _slash, subresource = act.resource.partition("/")
    attributes = {
        "namespace": namespace_of(act, world),
        "verb": act.verb,
        "group": act.group,
        "resource": resource,
        "subresource": subresource,
        "name": act.name,
    }
    user = f"system:serviceaccount:{world.gates.namespace}:offpeak-gate"
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{world.gates.namespace}", "system:authenticated"]
    body: dict[str, Any] = {"spec": {"user": user, "groups": groups, "resourceAttributes": attributes}}
    api = world.kube.resources.get(api_version="authorization.k8s.io/v1", kind="SubjectAccessReview")
    return bool(api.create(body=body).to_dict()["status"]["allowed"])


def tried(world: World, act: Act) -> int:
    """Return the status of a real call; a body that nothing can be made of changes nothing where it is allowed."""
    server, ca = world.access()
    namespace = namespace_of(act, world)
    resource, _slash, subresource = act.resource.partition("/")
    parts = [GROUPS[act.group], *(["namespaces", namespace] if namespace else []), resource, act.name, subresource]
    answer = loopback.request(
        VERBS[act.verb],
        server + "/".join(part for part in parts if part) + "?dryRun=All",
        headers={"Authorization": f"Bearer {world.token()}", "Content-Type": "application/merge-patch+json"}
        if act.verb == "patch"
        else {"Authorization": f"Bearer {world.token()}", "Content-Type": "application/json"},
        data=None if act.verb in ("get", "list", "delete") else "{}",
        verify=str(ca),
        timeout=10,
    )
    return answer.status_code


@pytest.mark.parametrize("act", ALLOWED, ids=str)
def test_what_the_gate_needs_is_allowed(world: World, act: Act) -> None:
    assert reviewed(world, act)
    assert tried(world, act) not in (401, 403)


@pytest.mark.parametrize("act", REFUSED, ids=str)
def test_everything_else_is_refused(world: World, act: Act) -> None:
    assert not reviewed(world, act)
    assert tried(world, act) == 403


def test_no_right_is_left_out_of_this_list(world: World) -> None:
    """The account's own rules, as the API server adds them up, are those of ALLOWED and what everybody has."""
    server, ca = world.access()
    found = set()
    for where in ("tenant", "gate"):
        act = Act("list", "pods", "", where)
        answer = loopback.post(
            f"{server}/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
            headers={"Authorization": f"Bearer {world.token()}"},
            json={"spec": {"namespace": namespace_of(act, world)}},
            verify=str(ca),
            timeout=10,
        )
        for rule in answer.json()["status"]["resourceRules"]:
            for group in rule["apiGroups"]:
                if group not in ("authorization.k8s.io", "authentication.k8s.io"):
                    names = rule.get("resourceNames") or [""]
                    found |= {(v, r, n, where) for v in rule["verbs"] for r in rule["resources"] for n in names}
    assert found == {(act.verb, act.resource, act.name, act.where) for act in ALLOWED}
