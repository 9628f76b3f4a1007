"""Chatterbox-TTS-Server as it behaves (read and seen live at 68213e7), with a stand-in for the engine."""

from __future__ import annotations

import io
import json
import threading
import wave
from dataclasses import dataclass, field

from tests.fakes.http import Answer, Request

SAMPLE_RATE = 24000
# engine.py, MODEL_SELECTOR_MAP; what is not in it becomes the original model.
SELECTORS = {
    "chatterbox": "original",
    "original": "original",
    "resembleai/chatterbox": "original",
    "chatterbox-turbo": "turbo",
    "turbo": "turbo",
    "resembleai/chatterbox-turbo": "turbo",
    "chatterbox-multilingual": "multilingual",
    "multilingual": "multilingual",
}
CLASSES = {"original": "ChatterboxTTS", "turbo": "ChatterboxTurboTTS", "multilingual": "ChatterboxMultilingualTTS"}


@dataclass
class Chatterbox:
    """A server after its start-up: `cuda` says whether CUDA works, `out_of_memory` whether the load failed."""

    repo_id: str = "chatterbox-multilingual"
    cuda: bool = True
    out_of_memory: bool = False
    voices: list[str] = field(default_factory=lambda: ["Abigail.wav", "Emily.wav"])
    synthesis_gate: threading.Event = field(default_factory=threading.Event)
    synthesis_started: threading.Event = field(default_factory=threading.Event)
    # The event loop: one request at a time, because synthesis runs on it.
    loop: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.synthesis_gate.set()
        self.type: str | None = SELECTORS.get(self.repo_id.lower().strip(), "original")
        self.device: str | None = "cuda" if self.cuda else "cpu"
        if self.out_of_memory:
            self.type, self.device = None, "cpu"

    def answer(self, request: Request) -> Answer:
        """Answer when the event loop is free."""
        with self.loop:
            routes = {
                ("GET", "/api/model-info"): self._model_info,
                ("GET", "/v1/audio/voices"): lambda _: Answer(200, {"status": "ok", "voices": self.voices}),
                ("POST", "/v1/audio/speech"): self._speech,
                ("POST", "/api/unload"): self._unload,
            }
            handle = routes.get((request.method, request.path))
            return handle(request) if handle else Answer(404, {"detail": "Not Found"})

    def _model_info(self, _: Request) -> Answer:
        loaded = self.type is not None
        return Answer(
            200,
            {
                "loaded": loaded,
                "type": self.type,
                "class_name": CLASSES.get(self.type or ""),
                "device": self.device,
                "sample_rate": SAMPLE_RATE if loaded else None,
            },
        )

    def _unload(self, _: Request) -> Answer:
        self.type = self.device = None
        return Answer(200, {"status": "unloaded"})

    def _speech(self, request: Request) -> Answer:
        fields = json.loads(request.body)
        if not {"model", "input", "voice"} <= set(fields):
            return Answer(422, {"detail": [{"type": "missing", "msg": "Field required"}]})
        if self.type is None:
            return Answer(503, {"detail": "TTS engine model is not currently loaded or available."})
        if fields["voice"] not in self.voices:
            return Answer(404, {"detail": f"Voice file '{fields['voice']}' not found."})
        if not fields["input"]:
            return Answer(500, {"detail": "Internal Server Error"})
        self.synthesis_started.set()
        self.synthesis_gate.wait()
        return Answer(200, silence())


def silence() -> bytes:
    """A tenth of a second, as the server sends it: RIFF WAV, 16 bit, mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE)
        sound.writeframes(bytes(SAMPLE_RATE // 5))
    return buffer.getvalue()
