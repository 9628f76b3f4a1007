"""The playbooks as a user runs them on a cluster that has all of it."""

from __future__ import annotations

import pytest
from kubernetes.dynamic.exceptions import NotFoundError

from dev.demo.snapshot import changes, snapshot
from tests.integration.sites import (
    DEMO,
    GATE_OFF,
    NAMESPACES,
    REMOVE,
    ROLLBACK,
    SITE,
    Bench,
    failure,
    full,
    missing,
    own,
    untouched,
    without,
)

__all__ = ["full", "own", "untouched"]  # fixtures


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("tag", ["namespace", "stt", "tts", "gate"])
def test_each_tag_alone_changes_nothing_on_a_full_cluster(full: Bench, tag: str) -> None:
    run = full.play(SITE, "--tags", tag).ok()
    assert run.changed == 0
    applied = [
        task for task in run.tasks if task["action"] == "sharedgpu.voice.kube_objects" and task["outcome"] == "ok"
    ]
    assert len(applied) == {"namespace": 3, "stt": 1, "tts": 1, "gate": 1}[tag]


def test_admitted_tenant_is_left_alone_until_rollback_takes_it_off(full: Bench) -> None:
    full.admit_tts()
    assert full.play(SITE, "--tags", "tts").ok().changed == 0
    assert full.replicas("tts", "chatterbox-tts") == (1, 1)
    assert full.play(ROLLBACK, "--check").ok().changed == 2
    assert full.replicas("tts", "chatterbox-tts") == (1, 1)
    # Neither Prometheus nor a plan that fits is needed when it is urgent.
    blind = {"demo_prometheus_url": "http://127.0.0.1:9", "demo_tts_floor": "1Gi"}
    assert full.may_scale("chatterbox-tts")
    assert full.play(ROLLBACK, **blind).ok().changed == 2
    assert full.replicas("tts", "chatterbox-tts") == (0, 0)
    assert not full.may_scale("chatterbox-tts"), "a gate that lives would admit it again"
    assert full.play(ROLLBACK).ok().changed == 0
    assert full.replicas("portal-stt", "speaches") == (1, 1)
    assert full.play(SITE).ok().changed == 1
    assert full.may_scale("chatterbox-tts"), "the next run gives the gate its rights back"


def test_rollback_leaves_the_gate_its_rights_over_others(full: Bench) -> None:
    roles = full.kube.resources.get(api_version="rbac.authorization.k8s.io/v1", kind="Role")
    role = roles.get(namespace="tts", name="offpeak-gate").to_dict()
    scale = next(rule for rule in role["rules"] if "deployments/scale" in rule["resources"])
    scale["resourceNames"].append("another")
    patch = {"rules": role["rules"]}
    roles.patch(namespace="tts", name="offpeak-gate", body=patch, content_type="application/merge-patch+json")
    full.play(ROLLBACK).ok()
    assert (full.may_scale("chatterbox-tts"), full.may_scale("another")) == (False, True)
    full.play(SITE).ok()


def test_rollback_does_not_call_off_what_it_does_not_know(full: Bench) -> None:
    deployments = full.kube.resources.get(api_version="apps/v1", kind="Deployment")
    label = "sharedgpu.voice/tenant"
    for value in (None, "tts"):
        body = {"metadata": {"labels": {label: value}}}
        deployments.patch(
            name="chatterbox-tts", namespace="tts", body=body, content_type="application/merge-patch+json"
        )
        if value is None:
            words = ("Deployment tts/chatterbox-tts is the target of tts", "sharedgpu.voice.gate_off")
            assert missing(words, failure(full.play(ROLLBACK))) == []
            assert full.may_scale("chatterbox-tts")


def test_rollback_names_the_tenants_that_there_are(full: Bench) -> None:
    said = failure(full.play(ROLLBACK, rollback_tenant="tss"))
    assert missing(("rollback_tenant: 'tss' is no tenant of vram_plan", "declared: ", "stt", "tts"), said) == []


@pytest.mark.parametrize("playbook", [ROLLBACK, GATE_OFF, REMOVE])
def test_the_ways_to_stop_say_in_one_sentence_that_no_cluster_answers(own: Bench, playbook: str) -> None:
    away = {"K8S_AUTH_KUBECONFIG": "/dev/null", "K8S_AUTH_HOST": "https://127.0.0.1:9"}
    said = failure(own.run(playbook, inventory=DEMO, environ=away))
    assert "check that KUBECONFIG, or the K8S_AUTH_* variables, name a cluster that runs" in said
    assert "Max retries" not in said


def test_lowered_floor_leaves_gate_and_tenant_as_they_are(full: Bench) -> None:
    before = snapshot(full.kube)
    run = full.play(SITE, "--tags", "gate", demo_tts_floor="5Gi")
    assert "UNSAFE (floor_below_need)" in failure(run)
    assert changes(before, snapshot(full.kube)) == []
    assert "sharedgpu.voice.gate_targets" not in {task["action"] for task in run.tasks}


def test_gate_off_ends_at_zero_and_site_starts_it_again(full: Bench) -> None:
    full.admit_tts()
    assert full.play(GATE_OFF, demo_prometheus_url="http://127.0.0.1:9").ok().changed > 0
    assert full.replicas("tts", "chatterbox-tts") == (0, 0)
    assert not full.may_scale("chatterbox-tts")
    assert full.play(GATE_OFF).ok().changed == 0
    full.play(SITE, "--tags", "gate").ok()
    assert full.replicas("offpeak-gate", "offpeak-gate") == (1, 1)
    assert full.may_scale("chatterbox-tts")


def test_what_somebody_deleted_comes_back(full: Bench) -> None:
    for kind, name in (("ConfigMap", "speaches-scripts"), ("Service", "speaches")):
        full.kube.resources.get(api_version="v1", kind=kind).delete(namespace="portal-stt", name=name)
    assert full.play(SITE).ok().changed == 1
    assert full.get("Service", "portal-stt", "speaches")["spec"]["ports"][0]["port"] == 8000
    assert "prove_transcription.py" in full.get("ConfigMap", "portal-stt", "speaches-scripts")["data"]


def test_tenant_that_becomes_warm_has_no_gate_any_more(full: Bench) -> None:
    warm = without("tenants", 1, "windows")["vram_plan"]
    for key in ("floor", "target"):
        del warm["tenants"][1][key]
    warm["tenants"][1]["mode"] = "warm"
    full.play(SITE, vram_plan={**warm, "prometheus_url": full.local.prometheus_url}).ok()
    assert full.replicas("tts", "chatterbox-tts")[0] == 1
    assert not full.may_scale("chatterbox-tts")
    with pytest.raises(NotFoundError):
        full.get("Deployment", "offpeak-gate", "offpeak-gate")
    full.play(SITE).ok()
    assert full.may_scale("chatterbox-tts")


def test_remove_ends_when_nothing_is_left(full: Bench) -> None:
    assert full.play(REMOVE, "--check").ok().changed > 0
    assert full.replicas("portal-stt", "speaches") == (1, 1)
    assert full.play(REMOVE, demo_prometheus_url="http://127.0.0.1:9").ok().changed > 0
    assert not full.namespaces() & set(NAMESPACES)
    assert full.play(REMOVE).ok().changed == 0
