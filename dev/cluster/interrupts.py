"""Ctrl-C and SIGTERM end a start, also where Python loses the exception that they raise.

An exception that is raised while a finalizer or a weak reference's callback runs is printed and forgotten, and every
question over HTTP leaves some of these behind. So the signal is remembered as well.
"""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType

_told = Event()


def install() -> None:
    """Let both signals raise KeyboardInterrupt; a job of the background goes on ignoring Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _tell)


def check() -> None:
    """Raise the KeyboardInterrupt that was lost."""
    if _told.is_set():
        raise KeyboardInterrupt


def _tell(_number: int, _frame: FrameType | None) -> None:
    _told.set()
    raise KeyboardInterrupt
