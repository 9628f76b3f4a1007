"""How the benchmarks run: interleaved, never timing what failed, on data that adds up."""

from __future__ import annotations

import io
import itertools
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from dev.bench.applying import EMPTY, KUBECTL, MODULE, ONE_CALL, TASK_EACH, Ways
from dev.bench.asking import Recorder, Replay, curl_config
from dev.bench.demo import stages
from dev.bench.gpu_history import AHEAD, LOOKBACKS, MIB, Size, write
from dev.bench.machine import processor
from dev.bench.model import BenchError
from dev.bench.objects import applied, elsewhere, tenants
from dev.bench.rounds import Variant, interleave
from dev.bench.running import CHECKOUT, Ansible, environment, timed
from dev.cluster.progress import Progress

NOW = 1_795_257_000


def test_rounds_are_interleaved_and_each_begins_with_another(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []

    def variant(name: str, most: int | None = None) -> Variant:
        def run(number: int) -> float:
            ran.append(f"{name}{number}")
            return float(number)

        return Variant(name, run, most)

    found = interleave("case", [variant("a"), variant("b", 1), variant("c")], 3, Progress())
    assert ran == ["a0", "b0", "c0", "c1", "a1", "c2", "a2"]
    assert {series.variant: series.seconds for series in found} == {"a": (0, 1, 2), "b": (0,), "c": (0, 1, 2)}
    assert "case: a 1.00 s, b 0.00 s, c 1.00 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("code", "says", "message"),
    [
        ("print('half done'); raise SystemExit(3)", "", r"(?s)ended with 3:\nhalf done"),
        ("print('changed=1 ')", "changed=0 ", r"(?s)ended with 0; its output should hold 'changed=0 ':\nchanged=1"),
    ],
)
def test_a_run_that_failed_has_no_time(code: str, says: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        timed([sys.executable, "-c", code], says=says)


def test_a_program_that_is_not_there_is_an_error_of_the_benchmark() -> None:
    with pytest.raises(BenchError, match="no-such-program did not run"):
        timed(["no-such-program"])


def test_time_is_that_of_the_program() -> None:
    begin = time.perf_counter()
    finished = timed([sys.executable, "-c", "print('done')"], says="done")
    assert 0 < finished.seconds <= time.perf_counter() - begin
    assert finished.output == "done\n"


def test_an_interrupted_program_ends_its_own_children(tmp_path: Path) -> None:
    child = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(open('ended', 'w').close())); "
    child += "open('ready', 'w').close(); signal.pause()"
    program = f"import os; os.chdir({str(tmp_path)!r}); {child}"
    bench = f"import sys; from dev.bench.running import timed; timed([sys.executable, '-c', {program!r}])"
    with subprocess.Popen([sys.executable, "-c", bench], cwd=CHECKOUT, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 30
        while not (tmp_path / "ready").exists():
            assert time.monotonic() < deadline, "the program did not start"
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
    assert (tmp_path / "ended").exists()


def test_settings_of_the_caller_take_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANSIBLE_CONFIG", "MAKEFLAGS", "PYTHONDONTWRITEBYTECODE", "KUBECONFIG"):
        monkeypatch.setenv(name, "theirs")
    found = environment({"KUBECONFIG": "ours"})
    assert found["KUBECONFIG"] == "ours"
    assert not {"ANSIBLE_CONFIG", "MAKEFLAGS", "PYTHONDONTWRITEBYTECODE"} & set(found)


def test_objects_are_as_many_as_asked_for_and_all_different() -> None:
    found = tenants("here", 20)
    names = {(body["kind"], body["metadata"]["name"]) for body in found}
    assert len(found) == len(names) == 20
    assert {body["metadata"]["namespace"] for body in found} == {"here"}
    assert [body["spec"]["replicas"] for body in found if body["kind"] == "Deployment"] == [0, 0, 0]


def test_objects_of_a_play_are_copied_into_other_namespaces() -> None:
    namespace: dict[str, Any] = {"kind": "Namespace", "metadata": {"name": "tts"}}
    service: dict[str, Any] = {"kind": "Service", "metadata": {"name": "tts", "namespace": "tts"}}
    service["metadata"]["labels"] = {"sharedgpu.voice/gate-namespace": "gate"}
    call = {"invocation": {"module_args": {"present": [namespace, service], "absent": [{"kind": "Pod"}]}}}
    tasks: list[dict[str, Any]] = [
        {"action": "ansible.builtin.assert", "result": {}},
        {"action": "sharedgpu.voice.kube_objects", "result": call},
    ]
    objects = applied(tasks)
    assert objects == [namespace, service]
    moved = elsewhere(objects, "2")
    assert moved[0]["metadata"] == {"name": "tts-2"}
    labels = {"sharedgpu.voice/gate-namespace": "gate-2"}
    assert moved[1]["metadata"] == {"name": "tts", "namespace": "tts-2", "labels": labels}
    assert service["metadata"]["namespace"] == "tts"


@pytest.mark.parametrize(("way", "tasks"), [(MODULE, 1), (ONE_CALL, 1), (TASK_EACH, 3), (EMPTY, 0)])
def test_playbooks_apply_all_objects(way: str, tasks: int, tmp_path: Path) -> None:
    ways = Ways(tmp_path, Ansible(tmp_path, {}), tmp_path / "kubeconfig", kubectl=None)
    path = ways.write("three", tenants("here", 3))
    [play] = yaml.safe_load(ways._playbook(way, path).read_text(encoding="utf-8"))
    assert len(play["tasks"]) == tasks
    read = [task["kubernetes.core.k8s"]["src"] for task in play["tasks"] if "kubernetes.core.k8s" in task]
    if read:
        assert [body for src in read for body in yaml.safe_load_all(Path(src).read_text(encoding="utf-8"))] == tenants(
            "here", 3
        )
    assert KUBECTL not in ways.available(MODULE, KUBECTL)


@pytest.mark.parametrize("size", [Size(1, 5, 0), Size(8, 50, 0), Size(256, 500, 0), Size(64, 5, 0)], ids=str)
def test_plan_of_a_size_fits_its_cards(size: Size) -> None:
    plan = parse_plan(size.plan())
    assert len(plan.cards) == size.cards
    assert len(plan.tenants) == size.residents + 1
    for card in plan.cards:
        held = sum(t.peak_bytes for t in plan.tenants if t.card == card.name and t.mode == "warm")
        assert held == size.used_mib(int(card.name.removeprefix("card-"))) * MIB
        assert held <= 8 << 30


def test_samples_are_fresh_while_they_are_measured_and_reach_back_a_week() -> None:
    file = io.StringIO()
    write(file, Size(2, 3, 200), NOW)
    lines = file.getvalue().splitlines()
    assert lines[-1] == "# EOF"
    times: dict[str, list[int]] = {}
    for line in lines:
        if not line.startswith("#"):
            series, _value, at = line.rsplit(" ", 2)
            times.setdefault(series, []).append(int(at))
    assert len([series for series in times if series.startswith("app_metric_")]) == 200
    residents = [found for series, found in times.items() if series.startswith("gpu_pod_memory_used_bytes")]
    assert len(residents) == 3
    for found in residents:
        assert min(found) <= NOW - LOOKBACKS["7d"]
        assert max(later - earlier for earlier, later in itertools.pairwise(found)) <= 300
    for series, found in times.items():
        if not series.startswith("app_metric_"):
            around = [at for at in found if NOW - 900 <= at <= NOW + AHEAD - 60]
            assert max(later - earlier for earlier, later in itertools.pairwise(around)) == 60


def test_residents_never_hold_more_than_they_declare() -> None:
    size, file = Size(2, 3, 0), io.StringIO()
    write(file, size, NOW)
    found = re.findall(r'^gpu_pod_memory.*pod="server-(\d+)-.*\} (\d+) \d+$', file.getvalue(), re.MULTILINE)
    assert found
    assert all(0 <= size.peak_mib(int(resident)) * MIB - int(used) < MIB for resident, used in found)


def test_curl_asks_what_the_module_asked() -> None:
    recorder = Recorder(Replay([{"answer": 1}, {"answer": 2}]))
    recorder.query('up{job=~"a\\\\.b"}', time=None, lookback_delta=120)
    recorder.query("vector(1)", time=5.25, lookback_delta=None)
    assert recorder.answers == [{"answer": 1}, {"answer": 2}]
    first, second = curl_config("http://localhost:9090", recorder.asked).split("\nnext\n")
    assert r'data-urlencode = "query=up{job=~\"a\\\\.b\"}"' in first
    assert 'data-urlencode = "lookback_delta=120s"' in first
    assert "time=" not in first
    assert 'data-urlencode = "query=vector(1)"' in second
    assert 'data-urlencode = "time=5.250"' in second


def test_stages_of_the_demo_are_read_from_its_last_line() -> None:
    output = "ok=3 took 2.0 s\n\nlocal cluster 6.1 s, pre-flight, now that it runs 2.0 s, all 8.1 s\n\n"
    assert stages(output) == {"local cluster": 6.1, "pre-flight, now that it runs": 2.0}


@pytest.mark.parametrize("output", ["", "done\n", "local cluster 6.1 s\n", "all 8.1 s\n"])
def test_a_demo_that_does_not_tell_its_stages_is_refused(output: str) -> None:
    with pytest.raises(BenchError, match="no list of its stages"):
        stages(output)


def test_processor_is_named_as_the_kernel_does() -> None:
    assert processor("processor\t: 0\nmodel name\t: A CPU @ 2.4GHz\n") == "A CPU @ 2.4GHz"
    assert processor("Hardware: ?\n")
