"""Speaches as it behaves on a GPU that it may not have: registry, failed loads, keys (read at 870e1e1 and seen live).

The registry follows src/speaches/executors/shared/base_model_manager.py: an entry is made before the load and stays
when the load fails; DELETE takes it out first and complains afterwards. `loads` counts the copies that took VRAM.
"""

from __future__ import annotations

import email.policy
import io
import threading
import wave
from dataclasses import dataclass, field
from email.parser import BytesParser

from tests.fakes.http import Answer, Request

VAD = "silero_vad_v5"
NOT_FOUND = Answer(404, {"detail": "Not Found"})


@dataclass
class Entry:
    """One registered model; `ready` is set when its weights are in memory."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    ready: bool = False


@dataclass
class Speaches:
    """A server with these models on its volume; `failures` is how many of the next loads end in an error (-1: all)."""

    installed: frozenset[str] = frozenset()
    failures: int = 0
    api_key: str = ""
    hub: bool = False
    transcript: object = field(default_factory=lambda: {"text": "a tone", "logprobs": None})
    load_gate: threading.Event = field(default_factory=threading.Event)
    loads: int = 0
    entries: dict[str, Entry] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.load_gate.set()

    def preload(self, models: list[str]) -> None:
        """What PRELOAD_MODELS does before the port opens: ask the Hub, though everything may be on the volume."""
        if models and not self.hub:
            raise SystemExit("Application startup failed. Exiting.")
        self.installed |= frozenset(models)

    def answer(self, request: Request) -> Answer:
        """Route as main.py does: /health is public, the rest needs the Bearer key where one is set."""
        method, path = request.method, request.path
        public = {("GET", "/health"): Answer(200, {"message": "OK"}), ("GET", "/metrics"): NOT_FOUND}
        if (method, path) in public:
            return public[method, path]
        if self.api_key and request.headers.get("authorization") != f"Bearer {self.api_key}":
            return Answer(403, {"detail": "API key required."})
        if (method, path) == ("POST", "/v1/audio/transcriptions"):
            return self._transcription(request)
        if (method, path) == ("GET", "/api/ps"):
            return Answer(200, {"models": list(self.entries)})
        routes = {
            ("POST", "/api/ps/"): self._load,
            ("DELETE", "/api/ps/"): self._unload,
            ("POST", "/v1/models/"): self._download,
        }
        for (verb, prefix), handle in routes.items():
            if method == verb and path.startswith(prefix):
                return handle(path.removeprefix(prefix))
        return NOT_FOUND

    def _load(self, model: str) -> Answer:
        if model in self.entries:
            return Answer(409, {"message": f"Model '{model}' is already loaded."})
        if model not in self.installed:
            return Answer(404, {"detail": f"Model '{model}' is not installed locally."})
        if not self._in_memory(self._entry(model)):
            return Answer(500, "Internal Server Error")
        return Answer(201, {"message": f"Model '{model}' loaded."})

    def _unload(self, model: str) -> Answer:
        with self.lock:
            entry = self.entries.pop(model, None)
        if entry is None:
            return Answer(404, {"message": f"Model {model} is not loaded."})
        with entry.lock:
            if not entry.ready:
                return Answer(409, {"message": f"Model {model} is not loaded. self.ref_count=0"})
            entry.ready = False
        return Answer(200, {"message": f"Model {model} unloaded."})

    def _download(self, model: str) -> Answer:
        if not self.hub:
            return Answer(500, "Internal Server Error")
        known = model in self.installed
        self.installed |= {model}
        return Answer(201 if known else 200, f"Model '{model}' downloaded")

    def _transcription(self, request: Request) -> Answer:
        fields = parse_multipart(request)
        if not {"file", "model"} <= set(fields):
            return Answer(422, {"detail": "Field required"})
        model = fields["model"].decode()
        try:
            with wave.open(io.BytesIO(fields["file"])) as sound:
                sound.readframes(sound.getnframes())
        except (wave.Error, EOFError):
            return Answer(415, {"detail": "Failed to decode audio. The provided file type is not supported."})
        if model not in self.installed:
            return Answer(404, {"detail": f"Model '{model}' is not installed locally."})
        self._entry(VAD).ready = True
        entry = self._entry(model)
        if not self._in_memory(entry):
            return Answer(500, "Internal Server Error")
        return Answer(200, self.transcript)

    def _entry(self, model: str) -> Entry:
        with self.lock:
            return self.entries.setdefault(model, Entry())

    def _in_memory(self, entry: Entry) -> bool:
        """Load under the entry's lock, as SelfDisposingModel does; False when the load fails."""
        with entry.lock:
            if entry.ready:
                return True
            self.load_gate.wait()
            if self.failures:
                self.failures -= 1
                return False
            self.loads += 1
            entry.ready = True
            return True


def parse_multipart(request: Request) -> dict[str, bytes]:
    """Return the fields of a multipart/form-data body by name."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    fields: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(content, bytes):
            fields[name] = content
    return fields
