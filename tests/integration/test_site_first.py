"""The playbooks as a user runs them on an empty cluster."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from dev.demo.snapshot import changes, snapshot
from tests.integration.sites import (
    NAMESPACES,
    PLAN,
    PREFLIGHT,
    REMOVE,
    SITE,
    Bench,
    empty,
    failure,
    missing,
    own,
    untouched,
    without,
)

__all__ = ["empty", "own", "untouched"]  # fixtures


@pytest.mark.usefixtures("untouched")
def test_check_mode_tells_what_a_run_would_do_and_does_nothing(empty: Bench) -> None:
    run = empty.play(SITE, "--check", "--diff").ok()
    assert run.changed == 6
    headers = [f"Namespace {name}" for name in NAMESPACES]
    headers += ["Deployment portal-stt/speaches", "Deployment tts/chatterbox-tts", "Service tts/chatterbox-tts"]
    headers += [
        "Deployment offpeak-gate/offpeak-gate",
        "Role tts/offpeak-gate",
        "CronJob offpeak-gate/offpeak-gate-down-",
    ]
    assert [header for header in headers if f"+++ after: {header}" not in run.stdout] == []


@pytest.mark.usefixtures("untouched")
def test_unsafe_floor_fails_with_the_table_before_anything_is_touched(empty: Bench) -> None:
    run = empty.play(SITE, demo_tts_floor="4Gi")
    assert run.rc == 2
    words = (
        "VRAM plan: UNSAFE (floor_below_need)",
        "tts: floor 4.00 GiB is 2.00 GiB below the need of 6.00 GiB",
        "6Gi",
    )
    assert missing(words, failure(run)) == []
    assert "\n  tenant            mode " in run.stdout  # a table keeps its lines
    assert "sharedgpu.voice.kube_objects" not in {task["action"] for task in run.tasks}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("tag", "namespace"), [("stt", "portal-stt"), ("tts", "tts")])
def test_service_alone_says_that_its_namespace_is_missing(empty: Bench, tag: str, namespace: str) -> None:
    words = (f"create the namespace {namespace} first", "tag namespace")
    assert missing(words, failure(empty.play(SITE, "--tags", tag))) == []


@pytest.mark.usefixtures("untouched")
def test_gate_alone_says_that_its_target_is_missing(empty: Bench) -> None:
    words = ("target 'chatterbox-tts' of tenant tts is no Deployment in namespace tts", "deploy it first")
    assert missing(words, failure(empty.play(SITE, "--tags", "gate"))) == []


@pytest.mark.usefixtures("untouched")
def test_preflight_alone_touches_nothing(empty: Bench) -> None:
    for run in (empty.play(SITE, "--tags", "preflight"), empty.play(PREFLIGHT)):
        assert run.ok().changed == 0
        assert "VRAM plan: safe" in run.stdout


def test_unreachable_cluster_is_one_sentence(own: Bench, tmp_path: Path) -> None:
    dead = yaml.safe_load(own.local.kubeconfig.read_text(encoding="utf-8"))
    dead["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(dead), encoding="utf-8")
    said = failure(own.play(SITE, voice_environment={"K8S_AUTH_KUBECONFIG": str(kubeconfig)}))
    assert missing(("127.0.0.1:9", "does not answer", "check that KUBECONFIG"), said) == []


def test_first_run_deploys_both_and_the_second_changes_nothing(empty: Bench) -> None:
    first = empty.play(SITE).ok()
    assert first.changed == 6
    assert empty.replicas("portal-stt", "speaches") == (1, 1)
    assert empty.get("Deployment", "portal-stt", "speaches")["status"]["readyReplicas"] == 1
    assert empty.replicas("tts", "chatterbox-tts") == (0, 0)
    assert empty.replicas("offpeak-gate", "offpeak-gate") == (1, 1)
    before = snapshot(empty.kube)
    assert empty.play(SITE).ok().changed == 0
    assert changes(before, snapshot(empty.kube)) == []


def test_service_that_the_plan_leaves_out_is_left_out_and_named(empty: Bench) -> None:
    only_stt = without("tenants", 1)
    only_stt["vram_plan"]["prometheus_url"] = empty.local.environ["PROMETHEUS_URL"]
    run = empty.play(SITE, **only_stt).ok()
    assert "vram_plan declares no tenant tts: it is not deployed" in " ".join(run.stdout.split())
    assert empty.namespaces() & set(NAMESPACES) == {"portal-stt"}
    empty.play(REMOVE, **only_stt).ok()


def test_plan_without_a_gated_tenant_has_no_gate(empty: Bench) -> None:
    warm = copy.deepcopy(PLAN)
    tts = warm["tenants"][1]
    for key in ("floor", "target", "windows"):
        del tts[key]
    warm["prometheus_url"] = empty.local.prometheus_url
    tts["mode"] = "warm"
    empty.play(SITE, vram_plan=warm).ok()
    assert empty.namespaces() & set(NAMESPACES) == {"portal-stt", "tts"}
    assert empty.replicas("tts", "chatterbox-tts")[0] == 1
    assert empty.play(SITE, vram_plan=warm).ok().changed == 0


def test_run_that_ended_in_the_middle_is_completed_by_the_next(empty: Bench) -> None:
    broken = empty.play(SITE, tts_chatterbox_priority_class="nobody")
    assert missing(("nobody", "gpu_namespace_priority_class"), failure(broken)) == []
    assert empty.replicas("portal-stt", "speaches") == (1, 1)
    assert empty.play(SITE).ok().changed == 2
    assert empty.replicas("tts", "chatterbox-tts") == (0, 0)
