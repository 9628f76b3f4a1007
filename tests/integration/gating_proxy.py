"""A proxy between the gate and a real server that answers wrongly when it is told to, and honestly otherwise."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

KEPT = ("content-type", "retry-after", "location")
SECONDS = 30


@dataclass
class Asked:
    """One request of the gate: the status of the real server where that was asked, and whether the gate was lied to."""

    method: str
    path: str
    body: bytes = field(repr=False)
    carried_out: int | None = None
    lied: bool = False


@dataclass(frozen=True)
class Answer:
    """What goes back; ``speak`` has the bare connection instead, which is closed when it returns."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    speak: Callable[[socket.socket], object] | None = None


#: given the request and a function that asks the real server, what to answer
Fault = Callable[[Asked, Callable[[], Answer]], Answer]


def honest(_asked: Asked, real: Callable[[], Answer]) -> Answer:
    return real()


@dataclass
class Proxy:
    """Where it listens, what is wrong with it, and what it was asked."""

    url: str = ""
    fault: Fault = honest
    asked: list[Asked] = field(default_factory=list)

    def writes(self, part: str = "") -> list[Asked]:
        """Return the requests that change something and have ``part`` in their path."""
        return [one for one in self.asked if one.method not in ("GET", "HEAD") and part in one.path]


class Upstream:
    """The real server, over one kept connection for each thread of the proxy."""

    def __init__(self, url: str, ca: str | None) -> None:
        self._parts = urlsplit(url)
        self._context = ssl.create_default_context(cafile=ca) if self._parts.scheme == "https" else None

    def connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=SECONDS)
        return http.client.HTTPSConnection(host, port, timeout=SECONDS, context=self._context)


class Handler(BaseHTTPRequestHandler):
    """One connection of the gate; ``told`` and ``upstream`` are those of its proxy."""

    protocol_version = "HTTP/1.1"
    told: Proxy
    upstream: Upstream
    connection_up: http.client.HTTPConnection | None = None

    def handle_any(self) -> None:
        asked = Asked(self.command, self.path, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.told.asked.append(asked)
        true: list[Answer] = []

        def real() -> Answer:
            true.append(self.real(asked))
            return true[-1]

        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = self.told.fault(asked, real)
            asked.lied = all(answer is not one for one in true)
            self.reply(answer)
            return
        self.close_connection = True

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815 - names of the base class

    def reply(self, answer: Answer) -> None:
        if answer.speak is not None:
            self.close_connection = True
            answer.speak(self.connection)
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def real(self, asked: Asked) -> Answer:
        """Ask the real server; a kept connection that it has closed is opened again."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        for kept in (self.connection_up, None):
            if kept is None:
                self.connection_up = self.upstream.connect()
            try:
                done = self.exchange(asked, headers)
            except (ConnectionError, http.client.BadStatusLine):
                if kept is None:
                    raise
                continue
            asked.carried_out = done.status
            return done
        raise AssertionError("not reached")

    def exchange(self, asked: Asked, headers: Mapping[str, str]) -> Answer:
        assert self.connection_up is not None
        self.connection_up.request(asked.method, asked.path, asked.body or None, dict(headers))
        with self.connection_up.getresponse() as done:
            found = {name: value for name, value in done.getheaders() if name.lower() in KEPT}
            return Answer(done.status, done.read(), found)

    def finish(self) -> None:
        if self.connection_up is not None:
            self.connection_up.close()
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A gate that was killed leaves its connections; there is nothing to say about that."""


@contextlib.contextmanager
def proxy(upstream: str, ca: str | None = None, port: int = 0) -> Iterator[Proxy]:
    """Run a proxy to ``upstream``, whose certificate is checked by the file ``ca``."""
    told = Proxy()
    server = Server(("127.0.0.1", port), type("Bound", (Handler,), {"told": told, "upstream": Upstream(upstream, ca)}))
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()


def answers(body: object, status: int = 200, media: str = "application/json", **headers: str) -> Fault:
    """Return the fault of a server that answers this to everything."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return lambda _asked, _real: Answer(status, raw, {"Content-Type": media, **named})


def status(code: int, message: str, **headers: str) -> Fault:
    """Return the fault of an API server that refuses everything with this."""
    return answers({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}, code, **headers)


def on(part: str, method: str, fault: Fault) -> Fault:
    """Return a fault that strikes only requests of ``method`` with ``part`` in their path."""

    def chosen(asked: Asked, real: Callable[[], Answer]) -> Answer:
        struck = asked.method == method and part in asked.path
        return fault(asked, real) if struck else real()

    return chosen


def slow(seconds: float, fault: Fault) -> Fault:
    """Return the same fault after so long."""

    def late(asked: Asked, real: Callable[[], Answer]) -> Answer:
        threading.Event().wait(seconds)
        return fault(asked, real)

    return late


def first(times: int, fault: Fault) -> Fault:
    """Return a fault that strikes so many times and is over then."""
    left = [times]

    def chosen(asked: Asked, real: Callable[[], Answer]) -> Answer:
        left[0] -= 1
        return fault(asked, real) if left[0] >= 0 else real()

    return chosen


def cut(_asked: Asked, _real: Callable[[], Answer]) -> Answer:
    """The connection breaks before the request is heard."""
    return Answer(speak=lambda _connection: None)


def cut_after(_asked: Asked, real: Callable[[], Answer]) -> Answer:
    """The request is carried out, and the connection breaks before the answer."""
    real()
    return Answer(speak=lambda _connection: None)


def says(*pieces: bytes, pause: float = 0, times: int = 1) -> Fault:
    """Return the fault of a server that writes these bytes and closes, with a pause after each piece."""

    def speak(connection: socket.socket) -> None:
        for _ in range(times):
            for piece in pieces:
                connection.sendall(piece)
                if pause:
                    threading.Event().wait(pause)

    return lambda _asked, _real: Answer(speak=speak)


def silent(seconds: float) -> Fault:
    """Return the fault of a server that has heard and says nothing for so long."""
    return says(b"", pause=seconds)


def vector(change: Callable[[list[dict[str, Any]]], object]) -> Fault:
    """Return the fault of a Prometheus whose honest samples were changed: a list of {metric, value}."""

    def fault(_asked: Asked, real: Callable[[], Answer]) -> Answer:
        answer = real()
        body = json.loads(answer.body)
        body["data"]["result"] = change(body["data"]["result"]) or body["data"]["result"]
        return Answer(answer.status, json.dumps(body).encode(), answer.headers)

    return fault
