"""The plan that most tests begin with: speech to text stays on a T4, text to speech comes at night."""

from __future__ import annotations

from typing import Any

CARDS: list[dict[str, Any]] = [{"name": "t4", "node": "gpu-1", "total": "15Gi"}]
WINDOW: dict[str, Any] = {"start": "02:00", "end": "06:00", "timezone": "Europe/London"}
STT: dict[str, Any] = {"name": "stt", "card": "t4", "mode": "warm", "peak": "1536Mi", "namespace": "portal-stt"}


def tts(**others: Any) -> dict[str, Any]:
    """Return the gated tenant with other values; its window is open every night."""
    return {
        "name": "tts",
        "card": "t4",
        "mode": "gated",
        "peak": "4Gi",
        "floor": "6Gi",
        "namespace": "tts",
        "target": {"kind": "Deployment", "name": "chatterbox-tts"},
        "windows": [WINDOW],
        **others,
    }
