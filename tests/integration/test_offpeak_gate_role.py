"""The role of the gate against a real API server: what it makes, what the gate may do then, and how it ends."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ResourceNotFoundError

from tests.integration.applying import Live, role_play
from tests.integration.clusters import LocalCluster, wait_for
from tests.integration.gating import TARGET, World, deploy, deployment, namespaces
from tests.integration.plays import Playbooks, Run

HPA = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "rival"},
    "spec": {"maxReplicas": 2, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": TARGET}},
}


@pytest.fixture
def world(cluster: LocalCluster, kube: DynamicClient, tmp_path: Path) -> Iterator[World]:
    with namespaces(kube, "tts", "gate") as (tenant, gate):
        kube.resources.get(api_version="apps/v1", kind="Deployment").create(body=deployment(TARGET), namespace=tenant)
        yield World(cluster, kube, Live(kube, tenant), Live(kube, gate), tmp_path)


def kinds(live: Live, api_version: str, kind: str) -> list[dict[str, Any]]:
    api = live._kube.resources.get(api_version=api_version, kind=kind)
    found: list[dict[str, Any]] = api.get(namespace=live.namespace).to_dict()["items"]
    return found


def test_deploys_and_changes_nothing_the_second_time(world: World, run_playbook: Playbooks) -> None:
    assert deploy(world, run_playbook).ok().changed == 1
    assert deploy(world, run_playbook, "--check").ok().changed == 0
    again = deploy(world, run_playbook).ok()
    assert again.changed == 0
    assert world.replicas() == 0, "the role itself admits nobody"
    (job,) = kinds(world.gates, "batch/v1", "CronJob")
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("0 0 * * *", "Etc/UTC")
    assert "--once" in job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]


def test_check_mode_on_an_empty_cluster_changes_nothing(world: World, run_playbook: Playbooks) -> None:
    before = world.gates.names(), world.live.names()
    assert deploy(world, run_playbook, "--check", "--diff").ok().changed == 1
    assert (world.gates.names(), world.live.names()) == before


def test_the_engine_of_cronjobs_has_no_pod(world: World, run_playbook: Playbooks) -> None:
    deploy(world, run_playbook).ok()
    deploy(world, run_playbook, engine="cronjobs").ok()
    assert not world.gates.there("Deployment", "offpeak-gate")
    names = [item["metadata"]["name"] for item in kinds(world.gates, "batch/v1", "CronJob")]
    assert sorted(name.split("-")[2] for name in names) == ["down", "guard", "up"]
    assert deploy(world, run_playbook, engine="cronjobs").ok().changed == 0


@pytest.mark.parametrize("state", ["disabled", "absent"])
def test_ends_at_zero_in_the_middle_of_a_window_with_a_dead_gate(
    world: World, run_playbook: Playbooks, state: str
) -> None:
    deploy(world, run_playbook).ok()
    world.scale(1)  # as the gate did before it died: no process of it runs here
    wait_for(lambda: world.pods() == 1, what="the target's pod")
    run = deploy(world, run_playbook, state=state).ok()
    assert run.changed > 0
    assert (world.replicas(), world.pods()) == (0, 0)
    assert kinds(world.live, "rbac.authorization.k8s.io/v1", "RoleBinding") == []
    assert world.gates.there("ConfigMap", "offpeak-gate-state") == (state == "disabled")
    assert not world.gates.there("Deployment", "offpeak-gate")
    assert kinds(world.gates, "batch/v1", "CronJob") == []
    if state == "absent":
        left = world.gates.names() | world.live.names()
        assert left == {("Deployment", TARGET)}
    assert deploy(world, run_playbook, state=state).ok().changed == 0


def test_a_missing_target_is_refused_before_anything_is_made(world: World, run_playbook: Playbooks) -> None:
    plan = world.plan(target={"kind": "Deployment", "name": "nobody"})
    run = deploy(world, run_playbook, plan=plan)
    assert run.rc != 0
    assert "target 'nobody' of tenant tts is no Deployment" in run.stdout
    assert world.gates.names() == set()


def test_a_target_that_an_autoscaler_scales_is_refused_by_its_name(world: World, run_playbook: Playbooks) -> None:
    api = world.kube.resources.get(api_version="autoscaling/v2", kind="HorizontalPodAutoscaler")
    api.create(body=HPA, namespace=world.namespace)
    run = deploy(world, run_playbook)
    assert run.rc != 0
    assert "HorizontalPodAutoscaler rival" in run.stdout
    assert world.gates.names() == set()


def test_two_plans_for_one_target_are_refused_with_the_other_gate(world: World, run_playbook: Playbooks) -> None:
    deploy(world, run_playbook).ok()
    second = deploy(world, run_playbook, name="second-gate")
    assert second.rc != 0
    assert f"is also scaled by the gate offpeak-gate of namespace {world.gates.namespace}" in flat(second)
    assert not world.gates.there("Deployment", "second-gate")
    assert deploy(world, run_playbook).ok().changed == 0


@pytest.fixture
def keda(kube: DynamicClient) -> Iterator[Any]:
    """KEDA's kind of object, without KEDA: what it declares is there, nobody acts on it."""
    names = {
        "plural": "scaledobjects",
        "singular": "scaledobject",
        "kind": "ScaledObject",
        "listKind": "ScaledObjectList",
    }
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "keda.sh", "scope": "Namespaced", "names": names, "versions": [version]}
    definitions = kube.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    definitions.create(body={"metadata": {"name": "scaledobjects.keda.sh"}, "spec": spec})

    def found() -> Any:
        with contextlib.suppress(ResourceNotFoundError):
            return kube.resources.get(api_version="keda.sh/v1alpha1", kind="ScaledObject")

    yield wait_for(found, what="the kind to be served")
    definitions.delete(name="scaledobjects.keda.sh")


def test_a_target_that_keda_scales_is_refused_by_its_name(world: World, run_playbook: Playbooks, keda: Any) -> None:
    body = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "nightly"}}
    keda.create(body={**body, "spec": {"scaleTargetRef": {"name": TARGET}}}, namespace=world.namespace)
    run = deploy(world, run_playbook)
    assert run.rc != 0
    assert f"is also scaled by ScaledObject nightly in namespace {world.namespace}" in flat(run)
    assert world.gates.names() == set()


def test_gates_of_one_name_in_two_namespaces_leave_each_other_alone(
    world: World, run_playbook: Playbooks, kube: DynamicClient
) -> None:
    deploy(world, run_playbook).ok()
    with namespaces(kube, "tts", "gate") as (tenant, gate):
        kube.resources.get(api_version="apps/v1", kind="Deployment").create(body=deployment(TARGET), namespace=tenant)
        other = World(world.cluster, kube, Live(kube, tenant), Live(kube, gate), world.folder)
        deploy(other, run_playbook).ok()
        deploy(other, run_playbook, state="absent").ok()
    assert deploy(world, run_playbook).ok().changed == 0


def test_the_kill_switch_takes_a_plan_that_the_gate_would_refuse(world: World, run_playbook: Playbooks) -> None:
    deploy(world, run_playbook).ok()
    world.scale(1)
    wait_for(lambda: world.pods() == 1, what="the target's pod")
    broken = world.plan(floor="1Gi", windows=[{"start": "soon"}])
    assert deploy(world, run_playbook, plan=broken).rc != 0
    deploy(world, run_playbook, plan=broken, state="disabled").ok()
    assert (world.replicas(), world.pods()) == (0, 0)


def test_the_kill_switch_goes_as_far_as_it_can_and_says_what_stays(world: World, run_playbook: Playbooks) -> None:
    deploy(world, run_playbook).ok()
    world.scale(1)
    (pod,) = wait_for(lambda: list(world.live.all("Pod")), what="the target's pod")
    world.live.patch("Pod", pod["metadata"]["name"], {"metadata": {"finalizers": ["dev.sharedgpu/test"]}})
    remember(world, "{")
    stuck = deploy(world, run_playbook, state="disabled", timeout=2)
    assert stuck.rc != 0
    assert f"{pod['metadata']['name']} of {world.namespace}/{TARGET} did not end within 2 s" in flat(stuck)
    world.live.patch("Pod", pod["metadata"]["name"], {"metadata": {"finalizers": None}})
    unread = deploy(world, run_playbook, state="disabled")
    assert (unread.rc != 0, world.replicas()) == (True, 0), "what the state says comes after what the plan says"
    assert "sharedgpu.voice.gate_dropped" in flat(unread)


def expressed(name: str) -> dict[str, Any]:
    """Return a target whose selector has expressions only, and whose label others have too."""
    body = deployment(name)
    labels = {"app": TARGET, "part": name}
    body["spec"]["selector"] = {"matchExpressions": [{"key": "part", "operator": "In", "values": [name]}]}
    body["spec"]["template"]["metadata"]["labels"] = labels
    return body


def of(world: World, plan: dict[str, Any], name: str, namespace: str) -> dict[str, Any]:
    """Return a plan with one gated tenant more."""
    another = {**world.plan()["tenants"][0], "name": name, "namespace": namespace, "pods": f"{name}-.+"}
    return {**plan, "tenants": [*plan["tenants"], {**another, "target": {"kind": "Deployment", "name": name}}]}


def test_the_kill_switch_takes_every_tenant_off_though_another_stays(
    world: World, run_playbook: Playbooks, kube: DynamicClient
) -> None:
    with namespaces(kube, "ocr") as (namespace,):
        later = Live(kube, namespace)
        for body in (expressed("ocr"), deployment("dub")):
            later.api("Deployment").create(body=body, namespace=namespace)
        plan = of(world, of(world, world.plan(pods="chatter.+"), "ocr", namespace), "dub", namespace)
        deploy(world, run_playbook, plan=plan).ok()
        world.scale(1)
        later.scale("ocr", 1)
        later.scale("dub", 1)
        (pod,) = wait_for(lambda: list(world.live.all("Pod")), what="the first target's pod")
        wait_for(lambda: len(list(later.all("Pod"))) == 2, what="the pods of the others")
        world.live.patch("Pod", pod["metadata"]["name"], {"metadata": {"finalizers": ["dev.sharedgpu/test"]}})
        frozen = {**deny(namespace, "dub"), "metadata": {"name": namespace}}
        policies = [kube.resources.get(api_version="admissionregistration.k8s.io/v1", kind=kind) for kind in DENYING]
        for api, body in zip(policies, (frozen, bound(namespace)), strict=True):
            api.create(body=body)
        try:
            wait_for(lambda: not may_scale(later, "dub"), what="the API server to refuse to scale it")
            stuck = deploy(world, run_playbook, plan=plan, state="disabled", timeout=2)
        finally:
            for api in policies:
                api.delete(name=namespace)
            world.live.patch("Pod", pod["metadata"]["name"], {"metadata": {"finalizers": None}})
        said = flat(stuck)
        assert stuck.rc != 0
        assert f"{pod['metadata']['name']} of {world.namespace}/{TARGET} did not end within 2 s" in said
        assert f"{namespace}/dub cannot be scaled to 0 and may hold VRAM: " in said
        assert f"{namespace}/ocr" not in said.split("Name all that stay")[1]
        assert [later.replicas(name) for name in ("ocr", "dub")] == [0, 1]
        deploy(world, run_playbook, plan=plan, state="disabled").ok()
        assert (later.replicas("dub"), list(later.all("Pod"))) == (0, [])


DENYING = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def deny(namespace: str, name: str) -> dict[str, Any]:
    """Return a policy of the API server that refuses to scale a Deployment."""
    rules = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"]}
    chosen = {**rules, "resources": ["deployments/scale"], "resourceNames": [name], "scope": "Namespaced"}
    matched = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    constraints = {"resourceRules": [chosen], "namespaceSelector": matched}
    return {"spec": {"matchConstraints": constraints, "validations": [{"expression": "false", "message": "frozen"}]}}


def bound(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"]}}


def may_scale(live: Live, name: str) -> bool:
    with contextlib.suppress(ApiException):
        live.scale(name, 1)
        return True
    return False


def test_the_kill_switch_says_in_one_sentence_that_no_cluster_answers(world: World, run_playbook: Playbooks) -> None:
    play = [*role_play("offpeak_gate")]
    away = {"K8S_AUTH_KUBECONFIG": "/dev/null", "K8S_AUTH_HOST": "https://127.0.0.1:9"}
    run = run_playbook(play, variables=world.settings(state="disabled"), environ=away)
    (failed,) = [task["result"] for task in run.tasks if task["outcome"] == "failed"]
    assert "check that KUBECONFIG, or the K8S_AUTH_* variables, name a cluster that runs" in failed["msg"]
    assert "Max retries" not in run.stdout


def test_a_tenant_that_may_run_at_any_time_needs_no_windows(world: World, run_playbook: Playbooks) -> None:
    demand = {"tenants": {"tts": {"demand": {"url": "http://queue:80/", "path": "n", "any_time": True}}}}
    plan = world.plan(windows=(), gate=demand)
    del plan["tenants"][0]["windows"]
    deploy(world, run_playbook, plan=plan).ok()
    assert kinds(world.gates, "batch/v1", "CronJob") == []
    assert deploy(world, run_playbook, plan=plan).ok().changed == 0


def flat(run: Run) -> str:
    return " ".join(run.stdout.split())


def test_what_former_windows_and_code_left_goes(world: World, run_playbook: Playbooks) -> None:
    deploy(world, run_playbook).ok()
    labels = {"sharedgpu.voice/gate": "offpeak-gate", "sharedgpu.voice/gate-namespace": world.gates.namespace}
    metadata = {"name": "offpeak-gate-program-0", "labels": labels}
    former = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}}
    world.kube.resources.get(api_version="v1", kind="ConfigMap").server_side_apply(
        body=former, namespace=world.gates.namespace, field_manager="sharedgpu.voice"
    )
    plan = world.plan(windows=[{"start": "22:00", "end": "05:30", "timezone": "Europe/London", "days": ["fri"]}])
    deploy(world, run_playbook, plan=plan).ok()
    (job,) = kinds(world.gates, "batch/v1", "CronJob")
    assert (job["spec"]["schedule"], job["spec"]["timeZone"]) == ("30 5 * * 6", "Europe/London")
    assert not world.gates.there("ConfigMap", "offpeak-gate-program-0")


def remember(world: World, policy: str) -> None:
    """Keep a policy as a gate does."""
    body = {"data": {"policy": policy}}
    maps = world.gates.api("ConfigMap")
    kind = "application/merge-patch+json"
    maps.patch(name="offpeak-gate-state", namespace=world.gates.namespace, body=body, content_type=kind)


def acted_on(world: World, plan: dict[str, Any]) -> None:
    """Keep the plan as a gate does before it makes its first change, and run what that has admitted."""
    remember(world, json.dumps(plan))
    world.scale(1)
    wait_for(lambda: world.pods() == 1, what="the target's pod")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_tenant_that_the_plan_drops_ends_at_zero(world: World, run_playbook: Playbooks, state: str) -> None:
    world.live.api("Deployment").create(body=deployment("other"), namespace=world.namespace)
    deploy(world, run_playbook).ok()
    acted_on(world, world.plan())
    changed = world.plan(target={"kind": "Deployment", "name": "other"})
    dry = deploy(world, run_playbook, "--check", plan=changed, state=state).ok()
    assert dry.changed > 0
    assert (world.replicas(), world.pods()) == (1, 1)
    deploy(world, run_playbook, plan=changed, state=state).ok()
    assert (world.replicas(), world.pods()) == (0, 0)
    for role in kinds(world.live, "rbac.authorization.k8s.io/v1", "Role"):
        assert TARGET not in str(role["rules"])
    assert deploy(world, run_playbook, plan=changed, state=state).ok().changed == 0


def test_a_tenant_that_is_handed_over_runs_on(world: World, run_playbook: Playbooks) -> None:
    world.live.api("Deployment").create(body=deployment("other"), namespace=world.namespace)
    deploy(world, run_playbook).ok()
    acted_on(world, world.plan())
    plan = world.plan(name="ocr", target={"kind": "Deployment", "name": "other"})
    plan["tenants"].append(
        {"name": "tts", "card": "t4", "mode": "warm", "peak": "4Gi", "namespace": world.namespace, "pods": "chatter.+"}
    )
    deploy(world, run_playbook, plan=plan).ok()
    assert (world.replicas(), world.pods()) == (1, 1)


def test_the_program_cannot_be_changed_in_place(world: World, run_playbook: Playbooks) -> None:
    deploy(world, run_playbook).ok()
    maps = world.kube.resources.get(api_version="v1", kind="ConfigMap")
    (name,) = [name for kind, name in world.gates.names("ConfigMap") if "-program-" in name]
    with pytest.raises(ApiException, match="immutable"):
        maps.patch(name=name, namespace=world.gates.namespace, body={"data": {"core.gate.py": "evil"}})


def test_the_kill_switch_needs_neither_prometheus_nor_a_gate(world: World, run_playbook: Playbooks) -> None:
    deploy(world, run_playbook).ok()
    world.scale(1)
    wait_for(lambda: world.pods() == 1, what="the target's pod")
    settings = {**world.settings(), "vram_plan": world.plan()}
    run_playbook("playbooks/gate_off.yml", variables=settings).ok()
    assert (world.replicas(), world.pods()) == (0, 0)
    assert not world.gates.there("Deployment", "offpeak-gate")
