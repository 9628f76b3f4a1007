"""The deployed gate at work beside the playbooks: what it says of itself, and who has the last word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.gate import pod
from dev.gate.process import GateProcess
from tests.integration.clusters import wait_for
from tests.integration.plays import Run
from tests.integration.sites import GATE_OFF, ROLLBACK, SITE, Bench, failure, full, missing, own

__all__ = ["full", "own"]  # fixtures

# Each runs several playbooks one after the other, the first one a cluster and the whole site as well.
pytestmark = pytest.mark.timeout(900)

EXPLAIN = "sharedgpu.voice.gate_explain"
OPEN: dict[str, Any] = {"demo_windows": [{"start": "00:00", "end": "24:00", "timezone": "Etc/UTC"}]}
LONG = 120.0


@pytest.fixture
def gate(full: Bench, tmp_path: Path) -> Iterator[GateProcess]:
    """A gate that has let text to speech in, as the process that its pod would run."""
    full.play(SITE, "--tags", "gate", **OPEN).ok()
    pod.forget(full.kube.resources.get(api_version="v1", kind="ConfigMap"), pod.NAME)
    running = pod.run(full.kube, full.local.kubeconfig, tmp_path / "gate")
    try:
        wait_for(lambda: full.replicas("tts", "chatterbox-tts") == (1, 1), what="the admission", within=LONG)
        yield running
        assert running.complaints() == ""
    finally:
        running.close()


def looks(gate: GateProcess, more: int = 5) -> None:
    """Wait until the gate has looked some more times."""
    before = wait_for(lambda: gate.metric("ticks_total") or 0, what="its first look", within=LONG)
    wait_for(lambda: (gate.metric("ticks_total") or 0) >= before + more, what=f"{more} looks", within=LONG)


def explained(run: Run) -> dict[str, Any]:
    """Return what the module said, and make sure that a person was told the same."""
    found: dict[str, Any] = run.ok().task("Look as the gate does")["result"]
    assert run.changed == 0
    assert found["msg"].splitlines()[0] in run.stdout
    return found


def test_a_live_gate_is_explained_and_does_not_undo_a_rollback(full: Bench, gate: GateProcess) -> None:
    looks(gate)
    found = explained(full.play(EXPLAIN, "--check", **OPEN))
    (tts,) = found["targets"]
    assert (tts["decision"]["reason"], tts["decision"]["replicas"], tts["decision"]["changes"]) == ("RUNNING", 1, False)
    assert tts["decision"]["numbers"]["own_bytes"] == 4000 << 20
    assert tts["last_event"]["reason"] == "ADMITTED"
    assert tts["last_change"]["replicas"] == 1
    assert found["gate"]["has_the_plan"] is True
    assert (found["gate"]["ready"], found["errors"]) == (True, [])
    full.play(ROLLBACK, **OPEN).ok()
    looks(gate)
    assert full.replicas("tts", "chatterbox-tts") == (0, 0), "without its rights the gate cannot let it in again"
    assert gate.reasons() == ["ADMITTED"]
    full.play(SITE, "--tags", "gate", **OPEN).ok()
    wait_for(
        lambda: full.replicas("tts", "chatterbox-tts") == (1, 1), what="it to come back with site.yml", within=LONG
    )


def test_a_live_gate_does_not_undo_the_kill_switch(full: Bench, gate: GateProcess) -> None:
    full.play(GATE_OFF, **OPEN).ok()
    looks(gate)
    assert full.replicas("tts", "chatterbox-tts") == (0, 0)
    # It still has the plan whose window is open: with its rights it would let the tenant in again.
    assert gate.stop() == 0
    full.play(SITE, "--tags", "gate").ok()


def test_what_it_would_decide_is_told_without_a_gate_that_lives(full: Bench) -> None:
    full.play(SITE, "--tags", "gate", **OPEN).ok()
    pod.forget(full.kube.resources.get(api_version="v1", kind="ConfigMap"), pod.NAME)
    found = explained(full.play(EXPLAIN, **OPEN))
    decision = found["targets"][0]["decision"]
    assert (decision["reason"], decision["replicas"], decision["changes"]) == ("ADMITTED", 1, True)
    assert decision["numbers"]["room_to_enter_bytes"] >= decision["numbers"]["floor_bytes"]
    assert full.replicas("tts", "chatterbox-tts") == (0, 0), "it only says so"
    full.control("wake", workload="llama-swap")
    full.control("add", name="x", pod={"namespace": "x", "name": "x-0"}, idle="2Gi")
    query = 'sum(gpu_pod_memory_used_bytes{exported_namespace="x"} or gpu_pod_memory_used_bytes{namespace="x"}) > 0'
    wait_for(lambda: full.samples(query), what="Prometheus to see a neighbour")
    found = explained(full.play(EXPLAIN, **OPEN))
    full.control("reset")
    assert found["targets"][0]["decision"]["reason"] == "NO_ROOM"
    assert "there is not enough left for it" in found["msg"]
    blind = explained(full.play(EXPLAIN, demo_prometheus_url="http://127.0.0.1:9", **OPEN))
    assert blind["targets"][0]["decision"]["reason"] == "BLIND"
    assert missing(("127.0.0.1:9", "nobody listens"), " ".join(blind["errors"])) == []
    assert blind["gate"]["has_the_plan"] is False, "its Prometheus is another one"
    closed = explained(full.play(EXPLAIN))
    assert missing(("sharedgpu.voice.site with the tag gate",), " ".join(closed["gate"]["remarks"])) == []


def test_where_there_is_no_gate_the_plan_is_explained(full: Bench) -> None:
    found = explained(full.play(EXPLAIN, offpeak_gate_name="nobody", **OPEN))
    assert (found["gate"]["deployed"], found["gate"]["ready"]) == (False, None)
    assert found["targets"][0]["decision"]["reason"] == "ADMITTED"
    run = full.play(EXPLAIN, offpeak_gate_name="nobody", offpeak_gate_plan={})
    assert missing(("vram_plan",), failure(run)) == []
