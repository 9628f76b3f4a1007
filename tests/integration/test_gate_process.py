"""The gate as a process with its own account's token, a real API server with its authorizer, a real Prometheus.

The program is what the role has put into its ConfigMap. Every test ends with the same questions: was there an Event for
each transition, and never a traceback?
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from kubernetes.dynamic import DynamicClient

from tests.integration.applying import Live
from tests.integration.clusters import LocalCluster, wait_for
from tests.integration.gating import (
    TARGET,
    Gate,
    World,
    card,
    deploy,
    deployment,
    namespaces,
    never,
    prometheus,
    versions,
)
from tests.integration.plays import Playbooks

Start = Callable[..., Gate]

#: a page that is read directly is never old, so what has left need not be waited for as long
HASTY = {"max_age": "8s", "cool_down": "1s"}


@pytest.fixture(scope="module")
def world(cluster: LocalCluster, kube: DynamicClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A card, a Prometheus and a deployed gate for all tests of this file; no process of the gate runs yet."""
    folder = tmp_path_factory.mktemp("world")
    with ExitStack() as stack:
        tenant, gate = stack.enter_context(namespaces(kube, "tts", "gate"))
        kube.resources.get(api_version="apps/v1", kind="Deployment").create(body=deployment(TARGET), namespace=tenant)
        built = World(cluster, kube, Live(kube, tenant), Live(kube, gate), folder)
        playbooks = Playbooks(folder, cluster.environ | {"K8S_AUTH_KUBECONFIG": str(cluster.kubeconfig)})
        deploy(built, playbooks).ok()
        built.card_url = stack.enter_context(card(built, cluster))
        yield built


@pytest.fixture
def start(world: World) -> Iterator[Start]:
    """Return a function that starts a gate; what every test asserts comes at the end."""
    world.reset()
    gates: list[Gate] = []

    def begin(policy: Any = None, *arguments: str, source: str = "exporters") -> Gate:
        gates.append(Gate(world, policy or world.plan(), *arguments, source=source))
        return gates[-1]

    yield begin
    for gate in gates:
        gate.close()
        assert gate.complaints() == ""


@pytest.fixture
def scraped(world: World) -> Iterator[None]:
    """A Prometheus that scrapes the card."""
    with prometheus(world):
        yield


def running(world: World) -> bool:
    return world.replicas() == 1 and world.held() == 4000


def gone(world: World) -> bool:
    return world.replicas() == 0 and world.pods() == 0 and world.held() == 0


def told(gate: Gate, *reasons: str) -> None:
    """Assert that these were the transitions, each logged once and told by exactly one Event with its numbers."""
    assert gate.reasons() == list(reasons)
    wait_for(lambda: len(changes(gate)) >= len(reasons), what="the Events")
    found = changes(gate)
    assert [event["reason"] for event in found] == list(reasons)
    assert all("transitions last hour" in event["note"] for event in found)


def changes(gate: Gate) -> list[dict[str, Any]]:
    return [event for event in gate.events() if event["action"].startswith("ScaleTo")]


@pytest.mark.usefixtures("scraped")
def test_admits_yields_to_a_resident_and_verifies(world: World, start: Start) -> None:
    gate = start(source="prometheus")
    wait_for(lambda: running(world), what="the tenant to be admitted")
    world.control("set", workload="immich", idle="10957Mi")
    wait_for(lambda: gone(world), what="the tenant to have left")
    told(gate, "ADMITTED", "GUARD_YIELD")
    note = changes(gate)[1]["note"]
    assert "room to stay" in note
    assert "guard " in note
    wait_for(lambda: gate.metric("reason", reason="COOL_DOWN") == 1, what="the cool-down to be told")
    assert gate.metric("transitions_total", reason="GUARD_YIELD") == 1
    assert gate.metric("last_decision_timestamp_seconds", tenant="tts")
    assert (gate.status("/healthz"), gate.status("/readyz")) == (200, 200)


def test_a_window_that_ends_takes_it_off_and_one_that_opens_lets_it_in(world: World, start: Start) -> None:
    gate = start(world.plan(windows=never()))
    gate_ready(gate)
    assert world.replicas() == 0
    gate.write_policy(world.plan())
    wait_for(lambda: running(world), what="the tenant to be admitted")
    gate.write_policy(world.plan(windows=never()))
    wait_for(lambda: gone(world), what="the tenant to have left")
    told(gate, "ADMITTED", "OUTSIDE_WINDOW")


def gate_ready(gate: Gate) -> None:
    wait_for(lambda: gate.status("/readyz") == 200, what="the gate to be ready")


def test_a_bad_policy_keeps_the_last_good_one_and_admits_nobody(world: World, start: Start) -> None:
    gate = start(world.plan(gate=HASTY))
    wait_for(lambda: running(world), what="the tenant to be admitted")
    gate.write_policy(world.plan(floor="1Gi", gate=HASTY))
    wait_for(lambda: gate.metric("policy_valid") == 0, what="the bad policy to be told")
    gate.ticks(2)
    assert world.replicas() == 1, "who runs under the last good policy goes on"
    world.control("set", workload="immich", idle="10957Mi")
    wait_for(lambda: gone(world), what="the guard of the last good policy")
    world.control("set", workload="immich", idle="2048Mi")
    wait_for(lambda: gate.metric("reason", reason="POLICY_REFUSED") == 1, what="the admission to be refused")
    assert world.replicas() == 0
    gate.write_policy(world.plan(gate=HASTY))
    wait_for(lambda: running(world), what="the admission under a good policy")
    (told_once,) = [line for line in gate.lines("policy") if line["problem"]]
    assert "floor" in told_once["problem"]
    assert [refusal["note"].count("floor") for refusal in world.refusals()] == [1]
    assert gate.stop() == 0
    again = start("no JSON")
    wait_for(lambda: again.metric("policy_valid") == 0, what="the next gate to tell it")
    gate_ready(again)
    assert world.replicas() == 1, "a restarted gate finds the last good policy in its state"
    again.stop()
    third = start("no JSON")
    gate_ready(third)
    first, second = world.refusals()
    assert "no JSON" in second["note"], "a second start tells the same content no second time"
    state = world.gates.get("ConfigMap", "offpeak-gate-state")["metadata"]
    assert {event["regarding"]["uid"] for event in (first, second)} == {state["uid"]}


def test_a_policy_that_was_never_good_admits_nobody_and_is_told(world: World, start: Start) -> None:
    before = len(world.refusals())
    gate = start("[1")
    wait_for(lambda: len(world.refusals()) == before + 1, what="an Event about the policy")
    assert gate.status("/readyz") == 503
    gate.ticks(1)
    assert (world.replicas(), len(world.refusals())) == (0, before + 1)


def test_somebody_who_writes_into_the_state_costs_no_look(world: World, start: Start) -> None:
    gate = start()
    wait_for(lambda: running(world), what="the tenant to be admitted")
    label = {"metadata": {"labels": {"touched": "yes"}}}
    maps = world.gates.api("ConfigMap")
    kind = "application/merge-patch+json"
    maps.patch(name="offpeak-gate-state", namespace=world.gates.namespace, body=label, content_type=kind)
    world.control("set", workload="immich", idle="10957Mi")
    wait_for(lambda: gone(world), what="the tenant to have left")
    told(gate, "ADMITTED", "GUARD_YIELD")
    assert gate.metric("errors_total", **{"class": "state_409"}) == 1


def test_a_dry_run_touches_nothing(world: World, start: Start) -> None:
    gate = start(None, "--dry-run")
    wait_for(lambda: gate.reasons() == ["ADMITTED"], what="what it would do")
    gate.ticks(3)
    assert gate.reasons() == ["ADMITTED"]
    assert (world.replicas(), gate.events()) == (0, [])
    assert world.gates.get("ConfigMap", "offpeak-gate-state").get("data") is None


def test_once_waits_until_it_is_gone(world: World, start: Start) -> None:
    world.scale(1)
    wait_for(lambda: running(world), what="a tenant whose gate is dead")
    backstop = start(world.plan(windows=never()), "--once")
    assert backstop.process.wait(60) == 0
    assert gone(world)
    told(backstop, "OUTSIDE_WINDOW")


def test_nothing_is_written_while_nothing_changes(world: World, start: Start) -> None:
    gate = start()
    wait_for(lambda: running(world), what="the tenant to be admitted")
    gate.ticks(3)
    before = versions(world.live), versions(world.gates)
    gate.ticks(5)
    assert (versions(world.live), versions(world.gates)) == before


def test_vram_that_an_ended_pod_left_behind_keeps_the_card_shut(world: World, start: Start) -> None:
    gate = start(world.plan(gate=HASTY))
    wait_for(lambda: running(world), what="the tenant to be admitted")
    (pod,) = world.live.all("Pod")
    # Of this pod alone: every former pod of the target would leave something behind else.
    match = {"namespace": world.namespace, "pod": pod["metadata"]["name"]}
    world.control("add", name="leaking", match=match, idle="4000Mi", leak_seconds=3600)
    world.control("remove", workload="tts")
    world.control("set", workload="immich", idle="10957Mi")
    wait_for(lambda: world.pods() == 0, what="the tenant to have left, and its VRAM behind")
    world.control("set", workload="immich", idle="1024Mi")
    wait_for(lambda: gate.metric("not_freed", tenant="tts") == 1, what="the ghost to be told")
    assert gate.metric("reason", reason="NOT_FREED") == 1
    assert gate.metric("left_behind_bytes", tenant="tts") == 4000 << 20
    wait_for(lambda: [e for e in gate.events() if e["reason"] == "NOT_FREED"], what="an Event about it")
    gate.stop(signal.SIGKILL)
    again = start(world.plan(gate=HASTY))
    wait_for(lambda: again.metric("reason", reason="NOT_FREED") == 1, what="the next gate to know of it")
    assert (world.held(), world.replicas()) == (4000, 0), "there would be room for another one beside it"
    world.control("reset")
    wait_for(lambda: running(world), what="the tenant to come back when its ghost has gone")


def test_403_and_404_admit_nobody_and_are_over_when_they_are_over(world: World, start: Start) -> None:
    bindings = world.kube.resources.get(api_version="rbac.authorization.k8s.io/v1", kind="RoleBinding")
    binding = bindings.get(name="offpeak-gate", namespace=world.namespace).to_dict()
    bindings.delete(name="offpeak-gate", namespace=world.namespace)
    gate = start(world.plan(target={"kind": "Deployment", "name": "nobody"}))
    wait_for(lambda: "403" in gate.errors(), what="the refusal")
    binding["metadata"] = {key: binding["metadata"][key] for key in ("name", "namespace", "labels")}
    bindings.create(body=binding, namespace=world.namespace)
    gate.write_policy(world.plan())
    wait_for(lambda: running(world), what="the admission")
    told(gate, "ADMITTED")
