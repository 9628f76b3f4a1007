# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that Speaches transcribes: load the model, transcribe a tone, exit 0. Anything else: one line, exit 1.

The kubelet runs this file inside the container as the start-up probe, with the Python of the image. Nothing less is a
proof: /health says that the process is up, POST /api/ps answers 409 as well for a model whose load is under way or has
failed, and GET /api/ps lists both. Read in speaches 870e1e1, src/speaches/executors/shared/base_model_manager.py:
a failed load stays registered until a DELETE, which answers 409 although it clears the entry.
The key comes from API_KEY, the server's own variable, and never from the command line, which every process may read.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import math
import os
import struct
import sys
import time
import urllib.parse
import uuid
import wave

SAMPLE_RATE = 16000  # hertz, what Whisper itself resamples to
TONE_HERTZ = 440
ANSWER_BYTES = 64 * 1024
QUOTED_CHARACTERS = 300


class NotReadyError(Exception):
    """Says in one line why the service is not usable yet."""


class RefusedError(NotReadyError):
    """The server answered, and the answer says that this model does not work now."""


class UnusableError(NotReadyError):
    """The server answered that it will not even try: wrong key, or no such model on the volume."""


def tone_wav() -> bytes:
    """One second of a sine wave, 16 bit mono."""
    samples = (int(16000 * math.sin(2 * math.pi * TONE_HERTZ * n / SAMPLE_RATE)) for n in range(SAMPLE_RATE))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return buffer.getvalue()


def multipart(fields: dict[str, str], wav: bytes) -> tuple[bytes, str]:
    """Encode the fields and the sound as multipart/form-data; return the body and its content type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = 'Content-Disposition: form-data; name="file"; filename="tone.wav"\r\nContent-Type: audio/wav'
    parts += [f"--{boundary}\r\n{head}\r\n\r\n".encode(), wav, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


class Speaches:
    """The HTTP interface of the server in this container; every call ends before the deadline (monotonic seconds)."""

    def __init__(self, port: int, api_key: str, deadline: float) -> None:
        self.port = port
        self.deadline = deadline
        self.headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def request(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> tuple[int, bytes]:
        """Return status and body; NotReadyError without an answer in time. No proxy of the environment is asked."""
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise NotReadyError(f"no time left for {method} {path}")
        headers = dict(self.headers, **({"Content-Type": content_type} if content_type else {}))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=remaining)
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(ANSWER_BYTES)
        except ValueError:
            raise UnusableError("the key in API_KEY fits in no HTTP header (a line feed at its end?)") from None
        except (OSError, http.client.HTTPException) as exc:
            raise NotReadyError(f"{method} {path}: {exc!r} (still starting, downloading or loading?)") from exc
        finally:
            connection.close()

    def load(self, model: str) -> bool:
        """Ask for the load; True if it was done by this call, False if the model was registered before."""
        path = f"/api/ps/{urllib.parse.quote(model)}"
        status, body = self.request("POST", path)
        if status not in (201, 409):
            raise refusal("POST", path, status, body)
        return status == 201

    def transcribe(self, model: str) -> None:
        """Transcribe the tone; RefusedError unless the answer is 200 with a text."""
        path = "/v1/audio/transcriptions"
        status, body = self.request("POST", path, *multipart({"model": model}, tone_wav()))
        if status != 200:
            raise refusal("POST", path, status, body)
        try:
            text = json.loads(body)["text"]
        except (ValueError, TypeError, KeyError):
            text = None
        if not isinstance(text, str):
            raise RefusedError(f"POST {path}: 200 without a text: {quoted(body)}")

    def unload(self, model: str) -> None:
        """Take the model out of memory, or its failed load off the books: 200, 404 and 409 all leave no entry."""
        path = f"/api/ps/{urllib.parse.quote(model)}"
        status, body = self.request("DELETE", path)
        if status not in (200, 404, 409):
            raise refusal("DELETE", path, status, body)


def quoted(body: bytes) -> str:
    """The start of an answer as one printable line."""
    return ascii(body[:QUOTED_CHARACTERS].decode("utf-8", "replace"))


def refusal(method: str, path: str, status: int, body: bytes) -> NotReadyError:
    """Say what the answer means to whoever reads the pod's events."""
    hints = {
        403: " (the key in API_KEY is not the server's)",
        404: " (the model is not on the volume: seed the cache, or let the pod download it)",
        500: " (load failed: out of VRAM, no GPU, or broken files; the server's log says which)",
    }
    kind = UnusableError if status in (403, 404) else RefusedError
    return kind(f"{method} {path}: {status}{hints.get(status, '')}: {quoted(body)}")


def prove(server: Speaches, model: str) -> None:
    """Return when the model has transcribed; NotReadyError otherwise.

    A model that was registered before this run may be an earlier failed load, so it gets one fresh load. The entry
    is cleared only after an answer, never after a time-out: DELETE during a load forgets a copy that goes on to take
    its VRAM, and the next load would add a second one.
    """
    for last_chance in (False, True):
        fresh = True
        try:
            fresh = server.load(model)
            server.transcribe(model)
        except RefusedError:
            server.unload(model)
            if fresh or last_chance:
                raise
        else:
            return


def main(argv: list[str]) -> int:
    """Run the proof as the probe does; 0 is ready."""
    parser = argparse.ArgumentParser(description="Prove that Speaches transcribes with a model.")
    parser.add_argument("--model", required=True, help="full Hub id")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--timeout", type=float, required=True, help="the probe's, seconds; a tenth is kept")
    parser.add_argument("--unload", action="store_true", help="give the VRAM back after the proof (on-demand tenants)")
    options = parser.parse_args(argv)
    deadline = time.monotonic() + 0.9 * options.timeout
    server = Speaches(options.port, os.environ.get("API_KEY", ""), deadline)
    try:
        prove(server, options.model)
        if options.unload:
            server.unload(options.model)
    except NotReadyError as exc:
        print(f"not ready: {exc}", file=sys.stderr)
        return 1
    print(f"ready: {options.model} has transcribed a tone")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
