"""A threaded HTTP server on a free loopback port that keeps a record of what it was asked."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client sent: the path is decoded and has no query."""

    method: str
    path: str
    headers: dict[str, str] = field(compare=False)
    body: bytes = field(compare=False)


@dataclass(frozen=True)
class Answer:
    """What the server sends back; a dict or list becomes JSON."""

    status: int
    body: Any = ""

    def encoded(self) -> tuple[bytes, str]:
        """Return the bytes and their content type."""
        if isinstance(self.body, bytes):
            return self.body, "audio/wav"
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain; charset=utf-8"
        return json.dumps(self.body).encode(), "application/json"


class Service(Protocol):
    """What a fake implements."""

    def answer(self, request: Request) -> Answer:
        """Answer one request; called from several threads at once."""


class Server:
    """Serves a Service on 127.0.0.1 as a context manager: `with Server(service) as server: server.port`."""

    def __init__(self, service: Service) -> None:
        self.requests: list[Request] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, unquote(urlsplit(self.path).path), headers, body)
                server.requests.append(request)
                answer = service.answer(request)
                content, content_type = answer.encoded()
                try:
                    self.send_response(answer.status)
                    self.send_header("Content-Type", content_type)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:
                    pass  # the client gave up, as a probe does at its time-out

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any  # noqa: N815 - names of the base class

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port: int = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def asked(self) -> list[str]:
        """Method and path of every request so far, in order."""
        return [f"{request.method} {request.path}" for request in self.requests]
