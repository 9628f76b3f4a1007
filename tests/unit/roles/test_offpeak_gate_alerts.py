"""The alerts on the gate: each fires when it should and not otherwise (by promtool), on metrics that the gate has."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reasons import SENTENCES
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.metrics import METRICS, PREFIX
from dev.setup.common import ROOT

RULES = ROOT / "roles" / "offpeak_gate" / "files" / "alerts.yml"
DOCS = ROOT / "docs" / "alerts.md"
OTHERS = {"kube_deployment_spec_replicas"}  # of kube-state-metrics
DECIDED, OPEN = "offpeak_gate_last_decision_timestamp_seconds", "offpeak_gate_window_open"
CURRENT, WANTED = "offpeak_gate_current_replicas", "offpeak_gate_target_replicas"
TTS = '{tenant="tts"}'
INFO = 'offpeak_gate_target_info{tenant="tts", target_namespace="voice", target="chatterbox", namespace="gate"}'
KUBE = 'kube_deployment_spec_replicas{namespace="voice", deployment="chatterbox", job="kube-state-metrics"}'
ALIVE = "0+60x60"
"""A decision every minute for an hour; what promtool evaluates begins at 0."""


@dataclass(frozen=True)
class Case:
    """What is there minute by minute, and what the alert says then; None where it must not fire."""

    name: str
    alert: str
    series: Mapping[str, str]
    at: int
    says: str | None = None


CASES = [
    Case(
        "old decision",
        "OffpeakGateSilent",
        {DECIDED + TTS: "0+60x5 300x20", OPEN + TTS: "1x30"},
        10,
        "Its last decision is 5m 0s old, more than 2m.",
    ),
    Case("decides", "OffpeakGateSilent", {DECIDED + TTS: ALIVE, OPEN + TTS: "1x60"}, 30),
    Case("one slow look", "OffpeakGateSilent", {DECIDED + TTS: "0x3 180+60x30", OPEN + TTS: "1x30"}, 4),
    Case("nobody there", "OffpeakGateSilent", {"up": "1x30"}, 10, "There is no decision of it at all."),
    Case(
        "gone since",
        "OffpeakGateSilent",
        {DECIDED + TTS: "0+60x5 stale", OPEN + TTS: "1x5 stale"},
        9,
        "There is no decision of it at all.",
    ),
    Case("never decided", "OffpeakGateSilent", {OPEN + TTS: "1x30"}, 10, "There is no decision of it at all."),
    Case(
        "never decided about one of two",
        "OffpeakGateSilent",
        {DECIDED + '{tenant="other"}': ALIVE, OPEN + '{tenant="other"}': "1x60", OPEN + TTS: "1x60"},
        10,
        "There is no decision of it at all.",
    ),
    Case(
        "left the plan",
        "OffpeakGateSilent",
        {DECIDED + TTS: "0+60x5 300x50", DECIDED + '{tenant="other"}': ALIVE, OPEN + '{tenant="other"}': "1x60"},
        30,
    ),
    Case(
        "blind",
        "OffpeakGateBlind",
        {"offpeak_gate_blind_seconds" + TTS: "0+60x30"},
        10,
        "no trustworthy reading for 10m 0s, more than 5m",
    ),
    Case("blind for a short while", "OffpeakGateBlind", {"offpeak_gate_blind_seconds" + TTS: "0+60x4 0x30"}, 10),
    Case(
        "capped",
        "OffpeakGateCapped",
        {
            'offpeak_gate_reason{tenant="tts", reason="CAPPED"}': "1x90",
            'offpeak_gate_transitions_total{tenant="tts", reason="ADMITTED"}': "0x30 3x60",
            'offpeak_gate_transitions_total{tenant="tts", reason="GUARD_YIELD"}': "0x30 3x60",
        },
        59,
        "tts was started and stopped about 6 times within the last hour",
    ),
    Case("waits", "OffpeakGateCapped", {'offpeak_gate_reason{tenant="tts", reason="COOL_DOWN"}': "1x90"}, 30),
    Case(
        "capped for a moment",
        "OffpeakGateCapped",
        {'offpeak_gate_reason{tenant="tts", reason="CAPPED"}': "1x3 stale"},
        8,
    ),
    Case(
        "VRAM stays",
        "OffpeakGateVramNotFreed",
        {"offpeak_gate_not_freed" + TTS: "1x30", "offpeak_gate_left_behind_bytes" + TTS: "4294967296x30"},
        10,
        "its pods or its VRAM are still there (4GiB did not come back). Nobody is admitted on its card.",
    ),
    Case(
        "pods stay",
        "OffpeakGateVramNotFreed",
        {"offpeak_gate_not_freed" + TTS: "1x30", "offpeak_gate_left_behind_bytes" + TTS: "0x30"},
        10,
        "its pods or its VRAM are still there. Nobody",
    ),
    Case("leaves slowly", "OffpeakGateVramNotFreed", {"offpeak_gate_not_freed" + TTS: "1x4 0x30"}, 10),
    Case(
        "runs by day",
        "OffpeakGateTenantOutsideWindow",
        {CURRENT + TTS: "1x30", OPEN + TTS: "0x30", WANTED + TTS: "0x30"},
        10,
        "tts has 1 replicas for more than 2m",
    ),
    Case(
        "runs in its window",
        "OffpeakGateTenantOutsideWindow",
        {CURRENT + TTS: "1x30", OPEN + TTS: "1x30", WANTED + TTS: "1x30"},
        10,
    ),
    Case(
        "is asked for at any time",
        "OffpeakGateTenantOutsideWindow",
        {CURRENT + TTS: "1x30", OPEN + TTS: "0x30", WANTED + TTS: "1x30"},
        10,
    ),
    Case(
        "stays out",
        "OffpeakGateTenantOutsideWindow",
        {CURRENT + TTS: "0x30", OPEN + TTS: "0x30", WANTED + TTS: "0x30"},
        10,
    ),
    Case(
        "runs and the gate hangs",
        "OffpeakGateTenantUnguarded",
        {INFO: "1x60", KUBE: "1x60", DECIDED + TTS: "0+60x5 300x50"},
        20,
        "voice/chatterbox has 1 replicas, and no gate has decided on it for 10m.",
    ),
    Case(
        "runs and the gate is gone",
        "OffpeakGateTenantUnguarded",
        {INFO: "1x5 stale", KUBE: "1x300", DECIDED + TTS: "0+60x5 stale"},
        240,
        "voice/chatterbox has 1 replicas",
    ),
    Case("runs and is guarded", "OffpeakGateTenantUnguarded", {INFO: "1x60", KUBE: "1x60", DECIDED + TTS: ALIVE}, 30),
    Case("is out, without a gate", "OffpeakGateTenantUnguarded", {INFO: "1x5 stale", KUBE: "0x300"}, 240),
    Case(
        "somebody else's runs",
        "OffpeakGateTenantUnguarded",
        {INFO: "1x5 stale", 'kube_deployment_spec_replicas{namespace="voice", deployment="whisper"}': "1x300"},
        240,
    ),
    Case("without kube-state-metrics", "OffpeakGateTenantUnguarded", {INFO: "1x60", DECIDED + TTS: "0x60"}, 30),
    Case(
        "bad policy",
        "OffpeakGatePolicyUnusable",
        {"offpeak_gate_policy_valid": "0x30"},
        10,
        "offpeak_gate_policy_valid is 0 for more than 1m",
    ),
    Case("good policy", "OffpeakGatePolicyUnusable", {"offpeak_gate_policy_valid": "1x30"}, 10),
]


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_promtool_accepts_the_rules(promtool: str) -> None:
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.name}")
def test_alert_fires_when_it_should(case: Case, promtool: str, tmp_path: Path) -> None:
    told = run(promtool, case, tmp_path)
    if case.says is None:
        assert told == ""
    else:
        assert case.says in told
        assert "error expanding template" not in told


@pytest.mark.parametrize("fires", [True, False])
def test_every_alert_is_seen_firing_and_not_firing(fires: bool) -> None:
    assert {case.alert for case in CASES if (case.says is not None) is fires} == {rule["alert"] for rule in rules()}


def run(promtool: str, case: Case, folder: Path) -> str:
    """Return what promtool says that fires beside nothing, as text in one line; empty where nothing does."""
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.series.items()],
        "alert_rule_test": [{"eval_time": f"{case.at}m", "alertname": case.alert, "exp_alerts": []}],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [test]}))
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return ""
    said = done.stdout + done.stderr
    assert "got:" in said, said
    return " ".join(said.partition("got:")[2].split()).replace('\\"', '"')


def unknown(expression: str) -> set[str]:
    """Return the metrics and reasons of an expression that nobody has."""
    names = set(re.findall(r"\b(?:offpeak_gate|kube)_[a-z_]+\b", expression))
    reasons = set(re.findall(r'reason="([A-Z_]+)"', expression))
    return names - {PREFIX + name for name in METRICS} - OTHERS | reasons - set(SENTENCES)


def test_alerts_ask_for_metrics_that_the_gate_has() -> None:
    assert unknown('offpeak_gate_made_up == 1 and offpeak_gate_reason{reason="NO_SUCH"}') == {
        "offpeak_gate_made_up",
        "NO_SUCH",
    }
    for rule in rules():
        for text in (rule["expr"], *rule["annotations"].values()):
            assert unknown(text) == set(), rule["alert"]


def test_every_alert_says_what_is_wrong_with_numbers_and_what_to_do() -> None:
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "description", "action"}, rule["alert"]
        assert re.search(r"\d", rule["annotations"]["description"]), rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["for"]


def test_the_table_of_the_documentation_has_every_alert() -> None:
    rows = re.findall(r"^\| `(Offpeak\w+)` \| (\w+) \| (\w+) \|", DOCS.read_text(), re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"], rule["for"]) for rule in rules()]
