# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on a free loopback port that says exactly the bytes that a test wants, at the pace that it wants."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

GOOD_BODY = {"status": "success", "data": {"resultType": "vector", "result": []}}


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


def reply(body: object = GOOD_BODY, status: int = 200, media: str = "application/json", **headers: str) -> bytes:
    """Return a whole HTTP answer; a body that is neither bytes nor text becomes JSON, ``retry_after`` Retry-After."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(raw)}", f"Content-Type: {media}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: FaultServer, connection: socket.socket) -> None:
        self.server = server
        self._connection = connection
        self._reader = connection.makefile("rb")

    def request(self) -> Request:
        """Read one request, keep it in the server's record, and return it."""
        method, target, _version = self._reader.readline().decode("latin-1").split()
        headers = {}
        while line := self._reader.readline().strip():
            name, _colon, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self._reader.read(int(headers.get("content-length", 0)))
        request = Request(method, target, headers, body)
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        """Send ``data``."""
        self._connection.sendall(data)

    def trickle(self, data: bytes) -> None:
        """Send ``data`` over and over, a byte every 50 ms, until the test ends."""
        while not self.server.stopping.is_set():
            for byte in data:
                self.send(bytes([byte]))
                if self.server.stopping.wait(0.05):
                    return

    def hang(self) -> None:
        """Say nothing until the test ends."""
        self.server.stopping.wait()

    def reset(self) -> None:
        """Cut the connection with a RST instead of a FIN."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self._reader.close()
        self._connection.close()


Talk = Callable[[Peer], None]


class FaultServer:
    """Runs ``talk`` for every connection; afterwards the connection is closed."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._talk = talk
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with self._tls.wrap_socket(connection, server_side=True) if self._tls else connection as stream:
                self._open.append(stream)
                peer = Peer(self, stream)
                self._talk(peer)
        except (OSError, ValueError):
            return  # the client went away, as most of these tests want it to


def always(answer: bytes) -> Talk:
    """Return a talk that gives ``answer`` to every request on a kept-alive connection."""

    def talk(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(answer)

    return talk


def once(answer: bytes) -> Talk:
    """Return a talk that gives ``answer`` to one request and closes."""

    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(answer)

    return talk
