"""The small parts of the gate: pods, demand, Events, metrics, health, policy file."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.sharedgpu.voice.plugins.module_utils.core import reasons
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import Decision
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import TenantPolicy, parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import Reading
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.events import MAX_NOTE, event, refusal
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.health import Health
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.metrics import METRICS, Metrics
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.pods import leaving, pods_of, ready
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.policy_file import PolicyFile
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.voice import Voice
from tests.plans import CARDS, tts

NOW = datetime(2026, 7, 7, 2, 0, 0, 123456, tzinfo=UTC)
TENANT = tts(target={"kind": "Deployment", "name": "chatterbox"})
PLAN = {"margin": "2Gi", "cards": CARDS, "tenants": [TENANT]}
POLICY = parse_policy(PLAN)
DECISION = Decision("tts", 0, reasons.GUARD_YIELD, {"free_bytes": 3 << 30, "replicas": 1}, changed=True, verified=False)


def pod(owner: str, phase: str = "Running", kind: str = "ReplicaSet", **meta: Any) -> dict[str, Any]:
    owners = [{"kind": kind, "name": owner, "controller": True}]
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": f"{owner}-x", "ownerReferences": owners, **meta}, "status": status}


def test_a_target_has_the_pods_of_its_own_replica_sets_that_may_hold_vram() -> None:
    ours = [pod("tts-5d8f"), pod("tts-77aa", deletionTimestamp="now"), pod("tts-1", phase="Pending")]
    others = [
        pod("tts-5d8f", phase="Succeeded"),
        pod("tts-5d8f", phase="Failed"),
        pod("tts-big-5d8f"),
        pod("tts", kind="Job"),
        {"metadata": {"name": "tts-5d8f-bare"}},
    ]
    assert pods_of([*others, *ours], "tts") == ours
    assert [leaving(one) for one in ours] == [False, True, False]
    assert [ready(one) for one in ours] == [True, False, True]


def test_an_event_has_the_numbers_and_one_name() -> None:
    first = event(POLICY.tenants[0], DECISION, {"uid": "u"}, NOW, "gate-1", warns=True)
    assert first == event(POLICY.tenants[0], DECISION, {"uid": "u"}, NOW, "gate-1", warns=True)
    assert first["note"] == f"tts: {reasons.SENTENCES[reasons.GUARD_YIELD]} (free 3.00 GiB, replicas 1)"
    assert (first["eventTime"], first["action"], first["type"]) == (
        "2026-07-07T02:00:00.123456Z",
        "ScaleTo0",
        "Warning",
    )
    assert first["regarding"]["uid"] == "u"
    later = event(POLICY.tenants[0], DECISION, {}, NOW.replace(second=1), "gate-1", warns=True)
    assert later["metadata"]["name"] != first["metadata"]["name"]


def test_a_long_note_is_cut_to_what_the_api_server_takes() -> None:
    long = replace(DECISION, numbers={"blind": "x" * 5000})
    assert len(event(POLICY.tenants[0], long, {}, NOW, "gate-1", warns=False)["note"]) == MAX_NOTE


def test_the_same_bad_policy_is_the_same_event_whoever_tells_it() -> None:
    about = {"metadata": {"namespace": "gate", "name": "offpeak-gate-state", "uid": "u"}}
    first = refusal(about, "{", "vram_plan: is no JSON", NOW, "gate-1")
    again = refusal(about, "{", "vram_plan: is no JSON", NOW.replace(hour=9), "gate-2")
    assert first["metadata"] == again["metadata"]
    assert first["metadata"]["namespace"] == first["regarding"]["namespace"] == "gate"
    assert (first["regarding"]["kind"], first["regarding"]["uid"]) == ("ConfigMap", "u")
    assert (first["type"], first["reason"], first["action"]) == ("Warning", "POLICY_REFUSED", "ReadPolicy")
    assert first["note"].endswith("vram_plan: is no JSON")
    assert refusal(about, "[", "vram_plan: is no JSON", NOW, "gate-1")["metadata"] != first["metadata"]
    assert len(refusal(about, "{", "x" * 5000, NOW, "gate-1")["note"]) == MAX_NOTE


def test_the_official_parser_reads_our_metrics() -> None:
    metrics = Metrics()
    for name in METRICS:
        metrics.set(name, 1.5, tenant='a"b\\c\nd')
    families = {family.name: family for family in text_string_to_metric_families(metrics.page())}
    assert len(families) == len(METRICS)
    assert families["offpeak_gate_transitions"].samples[0].labels == {"tenant": 'a"b\\c\nd'}


def test_an_error_is_logged_once_and_counted_each_time() -> None:
    out, metrics = io.StringIO(), Metrics()
    voice = Voice(out, metrics)
    for _ in range(3):
        voice.begin(NOW)
        voice.error("403", "no\nrights \U0001f600")
    voice.begin(NOW)
    voice.begin(NOW)
    voice.error("403", "again")
    voice.error("403", "of another target", "ocr")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["no\nrights \U0001f600", "again", "of another target"]
    assert metrics.value("errors_total", **{"class": "403"}) == 5


def test_a_hung_loop_fails_its_health_and_a_blind_one_does_not() -> None:
    now = [0.0]
    health = Health(60, lambda: now[0])
    assert health.hung() is None
    assert health.unready()
    health.tick(decided=False)
    assert health.unready()
    health.tick(decided=True)
    assert health.unready() is None
    now[0] = 61
    assert health.hung() == "no look was completed for 61 s"
    health.tick(decided=False)
    assert (health.hung(), health.unready()) == (None, None)
    now[0] = 100
    health.tick(decided=False, failed=True)
    assert health.hung() is None
    now[0] = 122
    health.tick(decided=False, failed=True)
    assert health.hung() == "no look was completed for 61 s", "a gate that only fails is started anew"


def voice(
    tenant: TenantPolicy, decision: Decision, times: int = 1, **seen: float
) -> tuple[Voice, list[dict[str, Any]]]:
    """Return what tells of some looks, a minute apart, and its lines."""
    out = io.StringIO()
    told = Voice(out, Metrics())
    for minutes in range(times):
        now = NOW + timedelta(minutes=minutes)
        told.begin(now)
        told.decision(tenant, decision)
        told.measured(POLICY, (replace(decision, numbers={**decision.numbers, **seen}),), Reading(), now)
    return told, [json.loads(line) for line in out.getvalue().splitlines()]


def test_blindness_is_counted_also_of_a_tenant_that_was_never_seen() -> None:
    blind = replace(DECISION, reason=reasons.BLIND, target_replicas=0, numbers={"blind": "refused"}, changed=False)
    assert voice(POLICY.tenants[0], blind, 3)[0].metrics.value("blind_seconds", tenant="tts") == 120
    assert voice(POLICY.tenants[0], blind, 3, blind_seconds=7)[0].metrics.value("blind_seconds", tenant="tts") == 7
    seen = replace(blind, reason=reasons.NO_ROOM, numbers={})
    assert voice(POLICY.tenants[0], seen, 3)[0].metrics.value("blind_seconds", tenant="tts") == 0


def test_a_foreign_change_is_counted_once_however_long_it_lasts() -> None:
    foreign = replace(DECISION, reason=reasons.FOREIGN_SCALE, target_replicas=1)
    told, _ = voice(POLICY.tenants[0], foreign, 3)
    assert told.metrics.value("foreign_changes_total", tenant="tts", reason="FOREIGN_SCALE") == 1


def test_a_line_says_when_the_window_changes_next() -> None:
    waits = replace(DECISION, reason=reasons.NO_ROOM, changed=False)
    (line,) = voice(POLICY.tenants[0], waits)[1]
    assert line["next_window_change"] == "2026-07-07T05:00:00+00:00", "06:00 in London's summer"


def test_the_next_change_of_a_window_is_told_as_time_goes_on_and_back() -> None:
    told = Voice(io.StringIO(), Metrics())
    name, tenant = "next_window_change_timestamp_seconds", POLICY.tenants[0]
    changes = []
    for hours in (0, 2, 3, 27, -2):
        now = NOW + timedelta(hours=hours)
        told.measured(POLICY, (DECISION,), Reading(), now)
        changes.append(told.metrics.value(name, tenant="tts"))
    ends, begins = NOW.replace(hour=5, microsecond=0), NOW.replace(hour=1, microsecond=0)
    later = [ends, ends, begins + timedelta(days=1), begins + timedelta(days=2), begins]
    assert changes == [change.timestamp() for change in later], tenant.windows


def test_what_is_left_behind_is_told_for_each_tenant_until_it_is_gone() -> None:
    left = replace(DECISION, reason=reasons.OUTSIDE_WINDOW, not_freed=True, numbers={"left_behind_bytes": 5})
    told, _ = voice(POLICY.tenants[0], left)
    assert (told.metrics.value("not_freed", tenant="tts"), told.metrics.value("left_behind_bytes", tenant="tts")) == (
        1,
        5,
    )
    assert [told.not_freed(one) for one in (left, left, DECISION, left)] == [True, False, False, True]


def test_a_bad_policy_changes_nothing_but_is_told(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    file = PolicyFile(str(path))
    assert (file.look(), bool(file.problem), file.policy) == (True, True, None)
    path.write_text(json.dumps(PLAN))
    assert (file.look(), file.problem, file.look()) == (True, None, False)
    good = file.policy
    for bad in ("{", json.dumps({**PLAN, "margin": "2 potatoes"}), "[]", "\udcff"):
        path.write_text(bad, errors="surrogateescape")
        assert (file.look(), bool(file.problem), file.look()) == (True, True, False), bad
        assert file.policy is good
    path.write_text(json.dumps(PLAN))
    assert (file.look(), file.problem) == (True, None)


def test_a_policy_that_could_not_be_read_once_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN))
    file = PolicyFile(str(path))
    file.look()
    path.unlink()
    assert (file.look(), "cannot be read" in str(file.problem)) == (True, True)
    path.write_text(json.dumps(PLAN))
    assert (file.look(), file.problem) == (True, None)


def test_an_earlier_policy_serves_only_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("{")
    file = PolicyFile(str(path))
    file.look()
    file.fall_back(json.dumps(PLAN))
    assert file.policy == POLICY
    assert file.problem
