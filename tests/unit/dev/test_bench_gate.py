"""What the gate's benchmarks count and hold is what they say."""

from __future__ import annotations

import os
import time
from pathlib import Path
from queue import SimpleQueue

import pytest
import yaml

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import parse_policy
from dev.bench.gate_counts import Counts, cpu_seconds, memory, requests_by_verb, total
from dev.bench.gate_keda import scaled_object
from dev.bench.gate_objects import VERBS, Place, cron_job, deployment, plan, rights, scenario
from dev.bench.gate_reaction import Setting
from dev.bench.gate_scale import Size
from dev.bench.gate_trials import Contender, Seen, Watcher, hold
from dev.bench.model import BenchError
from dev.card.parse import load_scenario
from dev.setup.common import ROOT

PAGE = """# HELP etcd_mvcc_put_total Puts.
etcd_mvcc_put_total 41
apiserver_request_total{code="201",resource="pods",subresource="",verb="POST"} 3
apiserver_request_total{code="409",resource="pods",subresource="",verb="POST"} 1
apiserver_request_total{code="201",resource="pods",subresource="binding",verb="POST"} 9
apiserver_flowcontrol_dispatched_requests_total{flow_schema="gate-list",priority_level="workload-high"} 7e+02
apiserver_flowcontrol_dispatched_requests_total{flow_schema="gate-list-other",priority_level="workload-high"} 5
"""
PLACE = Place("tts", "voice")


def test_samples_are_summed_over_the_labels_that_are_asked_for() -> None:
    assert total(PAGE, "etcd_mvcc_put_total") == 41
    assert total(PAGE, "apiserver_request_total", verb="POST", resource="pods", subresource="") == 4
    assert total(PAGE, "apiserver_request_total", verb="DELETE") == 0


def test_requests_are_those_of_the_flow_schemas() -> None:
    assert requests_by_verb(PAGE, "gate") == {**dict.fromkeys(VERBS, 0), "list": 700}


def test_counts_since_are_differences() -> None:
    before = Counts({"list": 5, "patch": 1}, etcd_puts=10, queries=3, pods=1, control_plane_seconds=2.5)
    after = Counts({"list": 9, "patch": 1}, etcd_puts=12, queries=3, pods=2, control_plane_seconds=4.0)
    assert after.since(before) == Counts({"list": 4, "patch": 0}, 2, 0, 1, 1.5)


def test_processor_time_and_memory_are_those_of_the_process() -> None:
    begin = time.process_time()
    while time.process_time() - begin < 0.1:
        pass
    assert abs(cpu_seconds([os.getpid()]) - time.process_time()) < 1
    assert 1 < memory(os.getpid()) <= memory(os.getpid(), "VmHWM") + 1


def test_keda_gets_the_gate_s_rule_and_its_own_defaults() -> None:
    spec = scaled_object(PLACE, "http://127.0.0.1:9090")["spec"]
    assert not {"pollingInterval", "cooldownPeriod"} & set(spec)
    window, room = spec["triggers"]
    assert {window["name"], room["name"]} <= set(spec["advanced"]["scalingModifiers"]["formula"].split())
    policy = parse_policy(plan([PLACE], None, {}))
    assert room["metadata"]["query"].endswith(f">= bool {policy.tenants[0].guard_bytes >> 20}")


def test_plan_and_machine_fit_together() -> None:
    places = [Place(f"t{number}", "voice") for number in range(3)]
    policy = parse_policy(plan(places, "http://127.0.0.1:9090", {"tick": "15s"}))
    machine = load_scenario(yaml.safe_dump(scenario(places)))
    assert policy.gate.tick == 15
    assert [tenant.target.name for tenant in policy.tenants] == [
        deployment(place)["metadata"]["name"] for place in places
    ]
    assert [card.uuid for card in policy.plan.cards] == [card.uuid for card in machine.cards]


def test_account_has_the_verbs_that_the_role_gives_and_no_other() -> None:
    template = (ROOT / "roles" / "offpeak_gate" / "templates" / "rights.yml.j2").read_text(encoding="utf-8")
    rules = next(body["rules"] for body in rights("gate") if body["kind"] == "ClusterRole")
    for rule in rules:
        assert f"'resources': {rule['resources']}" in template
        assert f"'verbs': {rule['verbs']}" in template
    assert template.count("'verbs'") == len(rules)


def test_guard_has_the_deadlines_of_the_role() -> None:
    template = (ROOT / "roles" / "offpeak_gate" / "templates" / "cron_jobs.yml.j2").read_text(encoding="utf-8")
    spec = cron_job("gate", "guard", "*/5 * * * *")["spec"]
    assert f"concurrencyPolicy: {spec['concurrencyPolicy']}" in template
    assert f"'Etc/UTC', {spec['startingDeadlineSeconds']})" in template
    assert f"backoffLimit: {spec['jobTemplate']['spec']['backoffLimit']}" in template


def watching(*seen: Seen) -> Watcher:
    watcher = Watcher.__new__(Watcher)
    queue: SimpleQueue[Seen] = SimpleQueue()
    for one in seen:
        queue.put(one)
    watcher._told = {(PLACE.namespace, PLACE.name): queue}
    return watcher


def test_a_target_is_waited_for_until_it_is_so() -> None:
    watcher = watching(Seen(1.0, 0, 0), Seen(2.0, 1, 0), Seen(3.0, 1, 1))
    assert watcher.until(PLACE, replicas=1, ready=1) == 3.0


def test_a_target_that_left_before_the_step_is_noticed() -> None:
    assert watching(Seen(1.0, 1, 1)).still(PLACE, replicas=1)
    assert watching().still(PLACE, replicas=1)
    assert not watching(Seen(1.0, 0, 1), Seen(2.0, 1, 1)).still(PLACE, replicas=1)


def test_a_target_that_never_comes_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev.bench.gate_trials._PATIENCE", 0.01)
    with pytest.raises(BenchError, match="has not come to 1 replicas"):
        watching().until(PLACE, replicas=1, ready=1)


def test_a_trial_that_fails_fails_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dev.bench.gate_trials._PATIENCE", 0.01)
    contender = Contender("gate", [PLACE], "http://192.0.2.1", 0.0, 1)
    with pytest.raises(BenchError, match="has not come to 1 replicas"):
        hold(watching(), [contender])


def test_targets_are_spread_over_the_namespaces() -> None:
    places = Size(50, 10).places()
    assert (len(places), len({place.namespace for place in places})) == (50, 10)
    assert Size(1, 1).name == "1 target in 1 namespace"
    assert Setting(0, 5).name == "direct, tick 5 s"


def test_every_benchmark_of_the_gate_is_told_in_the_page() -> None:
    page = (Path(ROOT) / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    for name in ("gate-reaction", "gate-scale", "gate-soak", "gate-steady"):
        assert f"*{name}*" in page
