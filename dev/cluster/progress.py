"""Lines that say what is going on, so that no long step looks like a hang."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Prints lines that carry the seconds since the command began, on a TTY or not."""

    def __init__(self, stream: TextIO | None = None, *, interval: float = 15.0) -> None:
        self._stream = stream or sys.stdout
        self._interval = interval
        self._began = time.monotonic()
        self._write = threading.Lock()

    def say(self, message: str) -> None:
        """Print one line at once."""
        with self._write:
            self._stream.write(f"[{time.monotonic() - self._began:6.1f} s] {message}\n")
            self._stream.flush()

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """Repeat `what` with its own elapsed time, a line each interval, until the block ends."""
        began = time.monotonic()
        done = threading.Event()

        def repeat() -> None:
            while not done.wait(self._interval):
                self.say(f"{what}: still at it after {time.monotonic() - began:.0f} s")

        self.say(what)
        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
