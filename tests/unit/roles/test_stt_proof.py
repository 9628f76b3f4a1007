"""The start-up probe of stt_speaches, run as the kubelet runs it, against a server that behaves as Speaches does."""

from __future__ import annotations

import http.client
import io
import json
import os
import subprocess
import sys
import wave
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.fakes.http import Server
from tests.fakes.speaches import VAD, Speaches, parse_multipart

if TYPE_CHECKING:
    from collections.abc import Callable

SCRIPT = Path(__file__).parents[3] / "roles/stt_speaches/files/prove_transcription.py"
MODEL = "deepdml/faster-whisper-large-v3-turbo-ct2"
LOAD = f"POST /api/ps/{MODEL}"
UNLOAD = f"DELETE /api/ps/{MODEL}"
TRANSCRIBE = "POST /v1/audio/transcriptions"


def run_proof(
    port: int, *options: str, timeout: float = 20, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the very file that goes into the ConfigMap, with the standard library only."""
    arguments = [f"--model={MODEL}", f"--port={port}", f"--timeout={timeout}", *options]
    command = [sys.executable, "-I", "-S", str(SCRIPT), *arguments]
    clean = {name: value for name, value in os.environ.items() if name != "API_KEY"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=clean | (env or {}))


def ask(port: int, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """One request as any client sends it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
        is_json = answer.getheader("Content-Type") == "application/json"
        return answer.status, json.loads(body) if is_json else body.decode()
    finally:
        connection.close()


def installed(**fields: Any) -> Speaches:
    """A server with the model on its volume."""
    return Speaches(installed=frozenset({MODEL}), **fields)


# What the proof must do with each behaviour that was seen live: exit status, calls in order, words for the reader.
PROOFS: list[tuple[str, Callable[[], Speaches], int, list[str], str]] = [
    ("cold", installed, 0, [LOAD, TRANSCRIBE], "has transcribed"),
    ("load_fails", lambda: installed(failures=-1), 1, [LOAD, UNLOAD], "load failed: out of VRAM"),
    ("not_installed", Speaches, 1, [LOAD], "seed the cache"),
    ("no_text", lambda: installed(transcript={"error": 1}), 1, [LOAD, TRANSCRIBE, UNLOAD], "200 without a text"),
    ("no_json", lambda: installed(transcript="OK"), 1, [LOAD, TRANSCRIBE, UNLOAD], "200 without a text"),
    ("no_object", lambda: installed(transcript=[1]), 1, [LOAD, TRANSCRIBE, UNLOAD], "200 without a text"),
    ("key_missing", lambda: installed(api_key="s3cret"), 1, [LOAD], "not the server's"),
]


@pytest.mark.parametrize(("build", "status", "calls", "words"), [r[1:] for r in PROOFS], ids=[r[0] for r in PROOFS])
def test_proof(build: Callable[[], Speaches], status: int, calls: list[str], words: str) -> None:
    with Server(build()) as server:
        result = run_proof(server.port)
    assert (result.returncode, server.asked()) == (status, calls), result.stderr
    assert words in result.stdout + result.stderr
    assert len((result.stdout + result.stderr).strip().splitlines()) == 1


def test_loaded_by_an_earlier_run_is_transcribed_and_stays_loaded() -> None:
    speaches = installed()
    with Server(speaches) as server:
        assert ask(server.port, "POST", f"/api/ps/{MODEL}")[0] == 201
        result = run_proof(server.port)
    assert result.returncode == 0, result.stderr
    assert server.asked() == [LOAD, LOAD, TRANSCRIBE]
    assert speaches.loads == 1
    assert speaches.entries[MODEL].ready


def test_an_earlier_failed_load_is_cleared_and_loaded_afresh_in_the_same_run() -> None:
    speaches = installed(failures=2)
    with Server(speaches) as server:
        assert ask(server.port, "POST", f"/api/ps/{MODEL}")[0] == 500
        result = run_proof(server.port)
    assert result.returncode == 0, result.stderr
    assert server.asked() == [LOAD, LOAD, TRANSCRIBE, UNLOAD, LOAD, TRANSCRIBE]


def test_a_load_that_keeps_failing_leaves_no_entry_behind() -> None:
    """Else every later load would answer 409 for ever, and only a new process could help."""
    speaches = installed(failures=-1)
    with Server(speaches) as server:
        assert ask(server.port, "POST", f"/api/ps/{MODEL}")[0] == 500
        result = run_proof(server.port)
    assert result.returncode == 1
    assert server.asked() == [LOAD, LOAD, TRANSCRIBE, UNLOAD, LOAD, UNLOAD]
    assert MODEL not in speaches.entries


def test_it_recovers_when_the_card_has_room_again() -> None:
    with Server(installed(failures=1)) as server:
        assert [run_proof(server.port).returncode for _ in range(2)] == [1, 0]


def test_a_load_longer_than_the_probe_is_waited_for_not_doubled() -> None:
    """A DELETE during the load would forget the first copy, and the next load would take the VRAM a second time."""
    speaches = installed()
    speaches.load_gate.clear()
    with Server(speaches) as server:
        first = run_proof(server.port, timeout=1)
        speaches.load_gate.set()
        second = run_proof(server.port)
    assert first.returncode == 1
    assert "timed out" in first.stderr
    assert "loading" in first.stderr
    assert second.returncode == 0, second.stderr
    assert UNLOAD not in server.asked()
    assert speaches.loads == 1


def test_nobody_listens_yet() -> None:
    with Server(installed()) as server:
        port = server.port
    result = run_proof(port)
    assert result.returncode == 1
    assert "still starting" in result.stderr


@pytest.mark.parametrize("key", ["s3cret", "with space & {{ braces }}"])
def test_the_key_is_taken_from_the_environment_and_never_shown(key: str) -> None:
    with Server(installed(api_key=key)) as server:
        good = run_proof(server.port, env={"API_KEY": key})
        wrong = run_proof(server.port, env={"API_KEY": "guess-9Z"})
    assert good.returncode == 0, good.stderr
    assert wrong.returncode == 1
    assert "guess-9Z" not in wrong.stdout + wrong.stderr


@pytest.mark.parametrize("key", ["s3cret-9Z\n", "s3cret-9Z-\u0142"])
def test_a_key_that_fits_in_no_header_is_named_not_shown(key: str) -> None:
    """A Secret made with `echo` ends with a line feed: no client could ever send it."""
    with Server(installed(api_key=key)) as server:
        result = run_proof(server.port, env={"API_KEY": key})
    assert result.returncode == 1
    assert "API_KEY fits in no HTTP header" in result.stderr
    assert "9Z" not in result.stdout + result.stderr


def test_on_demand_gives_the_vram_back() -> None:
    speaches = installed()
    with Server(speaches) as server:
        result = run_proof(server.port, "--unload")
    assert result.returncode == 0, result.stderr
    assert server.asked() == [LOAD, TRANSCRIBE, UNLOAD]
    assert MODEL not in speaches.entries


def test_proxies_of_the_environment_are_not_asked() -> None:
    with Server(installed()) as server:
        result = run_proof(server.port, env={"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"})
    assert result.returncode == 0, result.stderr


def test_the_sound_is_a_second_of_tone_at_16_khz() -> None:
    with Server(installed()) as server:
        run_proof(server.port)
        sent = next(request for request in server.requests if request.path == "/v1/audio/transcriptions")
    fields = parse_multipart(sent)
    assert fields["model"] == MODEL.encode()
    with wave.open(io.BytesIO(fields["file"])) as sound:
        assert sound.getparams()[:4] == (1, 2, 16000, 16000)
        frames = sound.readframes(16000)
    samples = [int.from_bytes(frames[n : n + 2], "little", signed=True) for n in range(0, len(frames), 2)]
    rising = sum(1 for before, after in pairwise(samples) if before < 0 <= after)
    assert max(samples) > 15000
    assert 438 <= rising <= 441


# The table "Verified live" of Speaches, row by row: should the stand-in drift from it, the tests above prove nothing.
def test_fake_health_is_public_and_metrics_are_absent() -> None:
    with Server(installed(api_key="s3cret")) as server:
        assert ask(server.port, "GET", "/health") == (200, {"message": "OK"})
        assert ask(server.port, "GET", "/metrics")[0] == 404


def test_fake_load_answers_201_then_409_and_404_for_absent() -> None:
    with Server(installed()) as server:
        assert [ask(server.port, "POST", f"/api/ps/{MODEL}")[0] for _ in range(2)] == [201, 409]
        assert ask(server.port, "POST", "/api/ps/large-v3-turbo")[0] == 404


def test_fake_failed_load_traps() -> None:
    with Server(installed(failures=-1)) as server:
        assert [ask(server.port, "POST", f"/api/ps/{MODEL}")[0] for _ in range(3)] == [500, 409, 409]
        assert ask(server.port, "GET", "/api/ps") == (200, {"models": [MODEL]})
        assert transcribe(server.port, MODEL) == 500
        assert ask(server.port, "DELETE", f"/api/ps/{MODEL}")[0] == 409
        assert MODEL not in str(ask(server.port, "GET", "/api/ps")[1])


def test_fake_lists_the_vad_model_after_a_transcription() -> None:
    with Server(installed()) as server:
        assert transcribe(server.port, MODEL) == 200
        assert set(ask(server.port, "GET", "/api/ps")[1]["models"]) == {MODEL, VAD}


def test_fake_never_downloads_on_transcription() -> None:
    with Server(installed(hub=True)) as server:
        assert transcribe(server.port, "large-v3-turbo") == 404


def test_fake_needs_the_hub_for_a_cached_model_too() -> None:
    speaches = installed()
    with Server(speaches) as server:
        assert ask(server.port, "POST", f"/v1/models/{MODEL}")[0] == 500
    with pytest.raises(SystemExit, match="startup failed"):
        speaches.preload([MODEL])


def test_fake_takes_only_the_bearer_key() -> None:
    with Server(installed(api_key="s3cret")) as server:
        assert ask(server.port, "GET", "/api/ps")[0] == 403
        assert ask(server.port, "GET", "/api/ps", {"Authorization": "Bearer s3cret"})[0] == 200
        assert ask(server.port, "GET", "/api/ps", {"X-API-Key": "s3cret"})[0] == 403


def transcribe(port: int, model: str) -> int:
    """Send a short silence; return the status."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16000)
        sound.writeframes(bytes(3200))
    body = (
        (
            f'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n{model}\r\n'
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        ).encode()
        + buffer.getvalue()
        + b"\r\n--b--\r\n"
    )
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        connection.request("POST", "/v1/audio/transcriptions", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()
