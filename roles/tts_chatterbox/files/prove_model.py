# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove that Chatterbox holds the right model on the GPU and knows its voice: exit 0. Anything else: one line, exit 1.

The kubelet runs this file inside the container as the start-up probe, with the Python of the image (it has no curl).
An open port is no proof (read in Chatterbox-TTS-Server 68213e7): the server opens it after a failed load too, falls
back to the CPU where CUDA does not work, and to the original English model for a selector that it does not know.
Nothing asks over HTTP later: a synthesis blocks the server's event loop until it ends.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys

ANSWER_BYTES = 1024 * 1024


class NotReadyError(Exception):
    """Says in one line why the service is not usable yet."""


def get_json(port: int, path: str, timeout: float) -> dict[str, object]:
    """Return the JSON object behind a path of the server in this container; no proxy of the environment is asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        status, body = answer.status, answer.read(ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as exc:
        raise NotReadyError(f"GET {path}: {exc!r} (still downloading or loading?)") from exc
    finally:
        connection.close()
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if status != 200 or not isinstance(value, dict):
        raise NotReadyError(f"GET {path}: {status}: {body[:200]!r}")
    return value


def check_model(info: dict[str, object], model_type: str) -> None:
    """Check the answer of /api/model-info; a failed load says loaded false and device cpu."""
    if info.get("loaded") is not True:
        raise NotReadyError("no model is loaded (out of VRAM, or no weights: the server's log says which)")
    if info.get("device") != "cuda":
        raise NotReadyError(
            f"the model runs on {info.get('device')!r} and not on the GPU (does CUDA work in this pod?)"
        )
    if info.get("type") != model_type:
        raise NotReadyError(f"model {info.get('type')!r} is loaded and not {model_type!r} (does this image know it?)")


def check_voice(listing: dict[str, object], voice: str) -> None:
    """Check that the default voice is listed; a mounted directory without voices hides the bundled ones."""
    voices = listing.get("voices")
    if not isinstance(voices, list) or voice not in voices:
        raise NotReadyError(f"the voice {voice!r} is not there; the server has {ascii(voices)[:300]}")


def main(argv: list[str]) -> int:
    """Run the proof as the probe does; 0 is ready."""
    parser = argparse.ArgumentParser(description="Prove that Chatterbox can speak.")
    parser.add_argument("--type", required=True, help="what /api/model-info must call the model")
    parser.add_argument("--voice", required=True, help="file name of a voice that must be listed")
    parser.add_argument("--port", type=int, default=8004)
    parser.add_argument("--timeout", type=float, required=True, help="the probe's, seconds; two requests share it")
    options = parser.parse_args(argv)
    timeout = 0.45 * options.timeout  # twice that leaves a tenth for the message
    try:
        check_model(get_json(options.port, "/api/model-info", timeout), options.type)
        check_voice(get_json(options.port, "/v1/audio/voices", timeout), options.voice)
    except NotReadyError as exc:
        print(f"not ready: {exc}", file=sys.stderr)
        return 1
    print(f"ready: {options.type} on cuda")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
