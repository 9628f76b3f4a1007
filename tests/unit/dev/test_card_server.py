"""The card over a real socket: pages, control, faults of the connection, and the process itself."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.card.exporters import EXPORTERS
from dev.card.machine import Machine
from dev.card.parse import load_scenario
from dev.card.pods import Pod
from dev.card.scenario import MIB
from dev.card.server import CardServer

CHECKOUT = Path(__file__).parents[3]
SCENARIO = """
cards: [{name: t4, node: gpu-1, uuid: GPU-00000000-0000-0000-0000-00000000000a, model: Tesla T4, total: 15Gi}]
workloads:
  - {name: stt, match: {namespace: stt, pod: .*}, idle: 1000Mi}
  - {name: llama, pod: {namespace: llama, name: llama-0}, idle: 0Mi, on_demand: {peak: 4455Mi, awake_seconds: 60}}
  - {name: immich, pod: {namespace: immich, name: immich-0}, idle: 2000Mi}
exporters:
  gpu-pod-exporter: {interval_seconds: 0}
  dcgm: {interval_seconds: 30}
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Card:
    """A machine with a clock of its own behind a real server, and a client for it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.machine = Machine(load_scenario(SCENARIO), self.clock)
        self.server = CardServer(("127.0.0.1", 0), self.machine)
        self.port = int(self.server.server_address[1])

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
        finally:
            connection.close()

    def do(self, action: str, **body: Any) -> tuple[int, dict[str, Any]]:
        status, _, text = self.ask("POST", f"/control/{action}", json.dumps(body))
        return status, json.loads(text)

    def used(self) -> dict[str, int]:
        """MiB by workload, as the state says."""
        state = json.loads(self.ask("GET", "/control/state")[2])
        return {one["workload"]: one["used_bytes"] // MIB for card in state["cards"] for one in card["residents"]}

    def see(self, *names: str) -> None:
        pods = [Pod(name, "stt", name, "gpu-1", "main", 1, self.clock.now, True, True, False) for name in names]
        self.machine.observe(pods)


@pytest.fixture
def card() -> Iterator[Card]:
    card = Card()
    thread = threading.Thread(target=card.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield card
    card.server.shutdown()
    thread.join()
    card.server.server_close()


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/healthz", "text/plain; charset=utf-8"),
        ("/metrics/gpu-pod-exporter", "text/plain; charset=utf-8"),
        ("/metrics/dcgm", "text/plain; charset=utf-8"),
        ("/metrics/nvidia-gpu-exporter?compute_apps=true", "text/plain; version=0.0.4; charset=utf-8"),
        ("/control", "application/json"),
        ("/control/state", "application/json"),
    ],
)
def test_pages_are_there(card: Card, path: str, content_type: str) -> None:
    status, found, body = card.ask("GET", path)
    assert (status, found) == (200, content_type)
    assert body


@pytest.mark.parametrize(("method", "path"), [("GET", "/metrics/hami"), ("GET", "/"), ("POST", "/metrics/dcgm")])
def test_other_paths_say_what_there_is(card: Card, method: str, path: str) -> None:
    status, _, body = card.ask(method, path)
    assert status == 404
    assert "/metrics/dcgm" in json.loads(body)["valid"]


def test_the_state_is_the_truth_in_bytes(card: Card) -> None:
    card.see("speaches-1")
    (state,) = json.loads(card.ask("GET", "/control/state")[2])["cards"]
    assert state["total_bytes"] == 15360 * MIB
    assert state["used_bytes"] == 3000 * MIB
    assert state["used_bytes"] + state["free_bytes"] + state["reserved_bytes"] == state["total_bytes"]


def test_a_sleeper_wakes_and_sleeps(card: Card) -> None:
    assert card.used()["llama"] == 0
    assert card.do("wake", workload="llama")[0] == 200
    assert card.used()["llama"] == 4455
    card.clock.now += 60
    assert card.used()["llama"] == 0
    card.do("wake", workload="llama", seconds=1000)
    card.clock.now += 500
    assert card.used()["llama"] == 4455
    card.do("sleep", workload="llama")
    assert card.used()["llama"] == 0


def test_a_workload_is_set_grows_and_leaks(card: Card) -> None:
    card.see("speaches-1")
    card.clock.now += 120  # growth counts from the call on, not from the start of the pod
    assert card.do("set", workload="stt", idle="3Gi", growth={"per_minute": "60Mi", "cap": "4Gi"})[0] == 200
    assert card.used()["stt"] == 3072
    card.clock.now += 60
    assert card.used()["stt"] == 3132
    assert card.do("set", workload="stt", leak_seconds=30)[0] == 200
    card.see()
    card.clock.now += 29
    assert card.used()["stt"] == 3132
    card.clock.now += 1
    assert "stt" not in card.used()


def test_residents_come_and_go_and_come_back(card: Card) -> None:
    again = {"name": "immich", "pod": {"namespace": "immich", "name": "immich-1"}, "idle": "10Gi"}
    assert card.do("add", **again) == (
        400,
        {"error": "add.name: 'immich' is there already; remove it first", "valid": []},
    )
    assert card.do("remove", workload="immich")[0] == 200
    assert "immich" not in card.used()
    assert card.do("add", **again)[0] == 200
    assert card.used()["immich"] == 10240
    card.do("remove", workload="immich")
    assert "immich" not in card.used()
    card.do("reset")
    assert card.used()["immich"] == 2000


def test_a_reset_keeps_the_pods_of_the_api_server(card: Card) -> None:
    card.see("speaches-1")
    card.do("set", workload="stt", idle="5Gi")
    card.do("fault", exporter="dcgm", fault="nan")
    card.do("configure", exporter="dcgm", settings={"mode": "copied"})
    card.do("reset")
    assert card.used()["stt"] == 1000
    state = json.loads(card.ask("GET", "/control/state")[2])
    assert (state["exporters"]["dcgm"]["fault"], state["exporters"]["dcgm"]["mode"]) == ("none", "device")


@pytest.mark.parametrize(
    ("action", "body", "words", "valid"),
    [
        ("explode", {}, "'explode' is not an action", "wake"),
        ("wake", {"workload": "immich"}, "wake.workload: 'immich' is not one of these", "llama"),
        ("wake", {}, "'workload' is missing", "llama"),
        ("wake", {"workload": "llama", "seconds": 0}, "wake.seconds: 0 is not above 0", None),
        ("wake", {"workload": "llama", "minutes": 1}, "'minutes' is not known here", "seconds"),
        ("set", {"workload": "stt"}, "'stt' is not changed", None),
        ("set", {"workload": "stt", "idle": "6GB"}, "set.idle: '6GB' is not a size", None),
        ("set", {"workload": "nobody", "idle": "6Gi"}, "'nobody' is not one of these", "immich"),
        ("add", {"name": "x", "idle": "1Mi"}, "exactly one of match", None),
        ("fault", {"exporter": "hami", "fault": "nan"}, "'hami' is not one of these", "dcgm"),
        (
            "fault",
            {"exporter": "dcgm", "fault": "mib_for_bytes"},
            "'mib_for_bytes' is not one of these",
            "bytes_for_mib",
        ),
        ("fault", {"exporter": "dcgm", "fault": "nan", "seconds": 1}, "'seconds' is not known here", "fault"),
        ("configure", {"exporter": "dcgm", "settings": {"mode": "x"}}, "'x' is not one of these", "per_pod"),
        ("configure", {"exporter": "dcgm"}, "'settings' is missing", "mode"),
    ],
)
def test_what_is_wrong_changes_nothing_and_says_what_is_right(
    card: Card, action: str, body: dict[str, Any], words: str, valid: str | None
) -> None:
    before = card.used()
    status, answer = card.do(action, **body)
    assert status == 400
    assert words in answer["error"]
    assert valid is None or valid in answer["valid"]
    assert card.used() == before


@pytest.mark.parametrize("body", ["{", "[]", "7", "[" * 100_000])
def test_a_body_that_is_no_mapping_is_refused(card: Card, body: str) -> None:
    assert card.ask("POST", "/control/reset", body)[0] == 400


def test_settings_hold_for_one_scrape_or_until_changed(card: Card) -> None:
    assert 'pod="immich-0"' in card.ask("GET", "/metrics/dcgm?mode=copied&vgpu=false")[2]
    assert 'pod="immich-0"' not in card.ask("GET", "/metrics/dcgm")[2]
    card.do("configure", exporter="dcgm", settings={"mode": "copied"})
    assert 'pod="immich-0"' in card.ask("GET", "/metrics/dcgm")[2]
    assert card.ask("GET", "/metrics/dcgm?node=gpu-2")[1:] == ("text/plain; charset=utf-8", "")
    status, _, body = card.ask("GET", "/metrics/dcgm?mode=all")
    assert (status, json.loads(body)["valid"]) == (400, ["device", "copied", "per_pod"])


def test_an_exporter_looks_at_the_card_at_its_own_pace(card: Card) -> None:
    first = card.ask("GET", "/metrics/dcgm")[2]
    card.do("wake", workload="llama", seconds=1000)
    card.clock.now += 29
    assert card.ask("GET", "/metrics/dcgm")[2] == first
    card.clock.now += 1
    assert card.ask("GET", "/metrics/dcgm")[2] != first


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_every_fault_is_seen_at_the_socket(card: Card, exporter: str) -> None:
    path = f"/metrics/{exporter}" + ("?mode=per_pod" if exporter == "dcgm" else "")
    honest = card.ask("GET", path)
    for fault in EXPORTERS[exporter].faults:
        if fault in {"none", "down", "slow", "frozen"}:
            continue  # these have tests of their own
        assert card.do("fault", exporter=exporter, fault=fault)[0] == 200
        assert card.ask("GET", path) != honest, fault
    card.do("fault", exporter=exporter, fault="none")
    assert card.ask("GET", path) == honest


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_down_closes_the_connection(card: Card, exporter: str) -> None:
    card.do("fault", exporter=exporter, fault="down")
    with pytest.raises(http.client.RemoteDisconnected):
        card.ask("GET", f"/metrics/{exporter}")
    others = [name for name in EXPORTERS if name != exporter]
    assert [card.ask("GET", f"/metrics/{name}")[0] for name in others] == [200, 200]


@pytest.mark.parametrize(("fault", "status", "kind"), [("http_500", 500, "text/plain"), ("html", 200, "text/html")])
def test_other_answers_than_metrics(card: Card, fault: str, status: int, kind: str) -> None:
    card.do("fault", exporter="dcgm", fault=fault)
    found, content_type, body = card.ask("GET", "/metrics/dcgm")
    assert (found, content_type.split(";")[0]) == (status, kind)
    assert "DCGM" not in body


def test_slow_is_honest_but_late(card: Card) -> None:
    honest = card.ask("GET", "/metrics/dcgm")
    card.do("fault", exporter="dcgm", fault="slow", seconds=0.3)
    before = time.monotonic()
    assert card.ask("GET", "/metrics/dcgm") == honest
    assert time.monotonic() - before >= 0.3


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_frozen_says_what_was_until_it_is_over(card: Card, exporter: str) -> None:
    card.do("fault", exporter=exporter, fault="frozen")
    frozen = card.ask("GET", f"/metrics/{exporter}")[2]
    card.do("wake", workload="llama", seconds=1_000_000)
    card.clock.now += 3600
    assert card.ask("GET", f"/metrics/{exporter}")[2] == frozen
    card.do("fault", exporter=exporter, fault="none")
    assert card.ask("GET", f"/metrics/{exporter}")[2] != frozen


def test_frozen_keeps_what_was_true_when_it_began(card: Card) -> None:
    card.ask("GET", "/metrics/dcgm")
    card.do("wake", workload="llama", seconds=10)
    card.do("fault", exporter="dcgm", fault="frozen")
    card.clock.now += 60
    assert 'DCGM_FI_DRIVER_VERSION="580.95.05"} 6455' in card.ask("GET", "/metrics/dcgm")[2]


def test_clients_that_go_away_leave_no_traceback(card: Card, caplog: pytest.LogCaptureFixture) -> None:
    card.do("fault", exporter="dcgm", fault="slow", seconds=0.1)
    for request in (
        b"GET /metrics/dcgm HTTP/1.0\r\n\r\n",
        b"GET /met",
        b"POST /control/reset HTTP/1.0\r\nContent-Length: 9\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", card.port)) as client:
            client.sendall(request)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    while any("process_request_thread" in thread.name for thread in threading.enumerate()):
        time.sleep(0.01)
    assert card.ask("GET", "/healthz")[0] == 200
    assert caplog.records == []


@contextlib.contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "dev.card", *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_process_tells_its_port_and_ends_on_sigterm(tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    scenario = tmp_path / "scenario.yml"
    scenario.write_text(SCENARIO, encoding="utf-8")
    with started("--scenario", str(scenario), "--port-file", str(port_file)) as process:
        while not port_file.exists():
            assert process.poll() is None
            time.sleep(0.01)
        port = int(port_file.read_text(encoding="utf-8"))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        slow = json.dumps({"exporter": "dcgm", "fault": "slow", "seconds": 60})
        connection.request("POST", "/control/fault", slow)
        assert connection.getresponse().read()
        connection.close()
        connection.request("GET", "/metrics/dcgm")
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0, "a scrape that is under way does not hold it up"
        connection.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert sorted(tmp_path.iterdir()) == [port_file, scenario], "nothing half written is left"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "/nowhere.yml"], "/nowhere.yml"),
        (["--scenario", "pyproject.toml"], "scenario"),
        (["--scenario", "inventories/demo/scenario.yml", "--listen", "80"], "not HOST:PORT"),
        (["--scenario", "inventories/demo/scenario.yml", "--kubeconfig", "/nowhere"], "/nowhere"),
    ],
)
def test_wrong_input_ends_it_with_a_sentence(arguments: list[str], words: str) -> None:
    with started(*arguments) as process:
        _, told = process.communicate(timeout=30)
    assert process.returncode == 2
    assert words in told
    assert "Traceback" not in told
