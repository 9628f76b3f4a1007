"""Ports that nobody uses: chosen to be remembered, or held for as long as they are wanted."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port that nobody else is given; whoever is told it may listen there all the same.

    The kernel lets two share an address where both say SO_REUSEADDR, as servers do, and only one of them listens.
    """
    with ExitStack() as held:
        yield _hold(held, LOOPBACK, 0)


def choose(
    remembered: dict[str, int], names: Iterable[str], *, in_use: Iterable[str], address: str = LOOPBACK
) -> dict[str, int]:
    """Return a port of the address for each name: the remembered one where it is ours or still free, else a new one.

    All are held until the last is chosen, so that no two are the same.
    """
    ours = set(in_use)
    chosen: dict[str, int] = {}
    with ExitStack() as held:
        for name in names:
            port = remembered.get(name, 0)
            if name not in ours:
                port = _hold(held, address, port) or _hold(held, address, 0)
            chosen[name] = port
    return chosen


def _hold(held: ExitStack, address: str, port: int) -> int:
    """Bind the port (0: any) for as long as the stack lives; 0 where somebody has it."""
    listener = held.enter_context(socket.socket())
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError:
        return 0
    number: int = listener.getsockname()[1]
    return number
