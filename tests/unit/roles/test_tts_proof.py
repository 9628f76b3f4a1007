"""The start-up probe of tts_chatterbox, as the kubelet runs it, against a server that behaves as Chatterbox does."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
import wave
from pathlib import Path

import pytest

from tests.fakes.chatterbox import Chatterbox
from tests.fakes.http import Answer, Request, Server

SCRIPT = Path(__file__).parents[3] / "roles/tts_chatterbox/files/prove_model.py"
TYPE = "multilingual"
GOOD = {"model": "tts-1", "input": "Good evening.", "voice": "Emily.wav"}


def run_proof(port: int, timeout: float = 20, model_type: str = TYPE) -> subprocess.CompletedProcess[str]:
    """Run the very file that goes into the ConfigMap, with the standard library only."""
    arguments = [f"--type={model_type}", "--voice=Emily.wav", f"--port={port}", f"--timeout={timeout}"]
    command = [sys.executable, "-I", "-S", str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def ask(port: int, path: str, body: object = None) -> tuple[int, bytes]:
    """GET, or POST of a body as JSON, as any client sends it."""
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read()


REFUSALS: list[tuple[str, Chatterbox, str]] = [
    ("load_failed", Chatterbox(out_of_memory=True), "no model is loaded"),
    ("silent_cpu_fallback", Chatterbox(cuda=False), "runs on 'cpu' and not on the GPU"),
    ("unknown_selector_became_original", Chatterbox("chatterbox-multilingal"), "'original' is loaded and not"),
    ("empty_voices_volume", Chatterbox(voices=[]), "'Emily.wav' is not there; the server has []"),
    ("voice_without_extension", Chatterbox(voices=["Emily"]), "'Emily.wav' is not there"),
]


@pytest.mark.parametrize(("chatterbox", "words"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_not_ready(chatterbox: Chatterbox, words: str) -> None:
    with Server(chatterbox) as server:
        result = run_proof(server.port)
    assert result.returncode == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("selector", "model_type"),
    [("chatterbox-multilingual", TYPE), ("ResembleAI/chatterbox-turbo", "turbo"), ("chatterbox", "original")],
)
def test_ready(selector: str, model_type: str) -> None:
    with Server(Chatterbox(selector)) as server:
        result = run_proof(server.port, model_type=model_type)
    assert (result.returncode, result.stdout) == (0, f"ready: {model_type} on cuda\n"), result.stderr
    assert server.asked() == ["GET /api/model-info", "GET /v1/audio/voices"]


def test_not_ready_after_an_unload() -> None:
    with Server(Chatterbox()) as server:
        assert ask(server.port, "/api/unload", {})[0] == 200
        assert "no model is loaded" in run_proof(server.port).stderr


def test_a_server_that_does_not_answer_in_time_is_not_ready() -> None:
    chatterbox = Chatterbox()
    with Server(chatterbox) as server, chatterbox.loop:
        result = run_proof(server.port, timeout=0.5)
    assert result.returncode == 1
    assert "timed out" in result.stderr


def test_nobody_listens_yet() -> None:
    with Server(Chatterbox()) as server:
        port = server.port
    result = run_proof(port)
    assert result.returncode == 1
    assert "still downloading or loading" in result.stderr


class Odd:
    """Answers with what is no answer of Chatterbox."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def answer(self, _: Request) -> Answer:
        return self._answer


@pytest.mark.parametrize("answer", [Answer(500, "x"), Answer(404, {}), Answer(200, "<html>"), Answer(200, [True])])
def test_an_odd_answer_is_not_ready(answer: Answer) -> None:
    with Server(Odd(answer)) as server:
        result = run_proof(server.port)
    assert result.returncode == 1
    assert f"GET /api/model-info: {answer.status}" in result.stderr


@pytest.mark.parametrize("loaded", ["true", 1, None])
def test_only_a_true_loaded_counts(loaded: object) -> None:
    with Server(Odd(Answer(200, {"loaded": loaded, "device": "cuda", "type": TYPE}))) as server:
        assert "no model is loaded" in run_proof(server.port).stderr


# The table "Verified live" of Chatterbox, row by row: should the stand-in drift from it, the tests above prove nothing.
def model_info(server: Server) -> dict[str, object]:
    status, body = ask(server.port, "/api/model-info")
    assert status == 200
    info: dict[str, object] = json.loads(body)
    return info


def test_fake_model_info() -> None:
    with Server(Chatterbox()) as server:
        info = model_info(server)
    assert (info["loaded"], info["type"], info["device"]) == (True, TYPE, "cuda")
    assert (info["class_name"], info["sample_rate"]) == ("ChatterboxMultilingualTTS", 24000)


def test_fake_failed_load_opens_the_port_and_says_cpu() -> None:
    with Server(Chatterbox(out_of_memory=True)) as server:
        info = model_info(server)
        assert (info["loaded"], info["type"], info["device"]) == (False, None, "cpu")
        assert ask(server.port, "/v1/audio/speech", GOOD)[0] == 503


def test_fake_unknown_selector_is_the_original_model() -> None:
    with Server(Chatterbox("nonsense")) as server:
        info = model_info(server)
    assert (info["loaded"], info["type"]) == (True, "original")


def test_fake_unload_leaves_no_device() -> None:
    with Server(Chatterbox()) as server:
        ask(server.port, "/api/unload", {})
        info = model_info(server)
    assert (info["loaded"], info["device"]) == (False, None)


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_fake_has_no_health_and_no_metrics(path: str) -> None:
    with Server(Chatterbox()) as server:
        assert ask(server.port, path)[0] == 404


def test_fake_voices_have_extensions() -> None:
    with Server(Chatterbox()) as server:
        status, body = ask(server.port, "/v1/audio/voices")
    assert (status, json.loads(body)) == (200, {"status": "ok", "voices": ["Abigail.wav", "Emily.wav"]})


@pytest.mark.parametrize(
    ("change", "status"),
    [({}, 200), ({"voice": "Emily"}, 404), ({"input": ""}, 500), ({"model": None}, 422)],
)
def test_fake_speech(change: dict[str, str | None], status: int) -> None:
    fields = {name: value for name, value in (GOOD | change).items() if value is not None}
    with Server(Chatterbox()) as server:
        answered, body = ask(server.port, "/v1/audio/speech", fields)
    assert answered == status
    if status == 200:
        with wave.open(io.BytesIO(body)) as sound:
            assert sound.getparams()[:3] == (1, 2, 24000)


def test_fake_answers_nobody_during_a_synthesis_but_accepts_tcp() -> None:
    """Why liveness and readiness are TCP probes: an HTTP probe would end the server in the middle of a sentence."""
    chatterbox = Chatterbox()
    chatterbox.synthesis_gate.clear()
    with Server(chatterbox) as server:
        speaking = threading.Thread(target=ask, args=(server.port, "/v1/audio/speech", GOOD))
        speaking.start()
        assert chatterbox.synthesis_started.wait(10)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5):
            pass
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/model-info", timeout=0.3)
        chatterbox.synthesis_gate.set()
        speaking.join(10)
    assert not speaking.is_alive()
