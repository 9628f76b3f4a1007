"""The HTTP shell: /metrics/<exporter>, /control, /healthz. It decides nothing but what happens to the connection."""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from . import control
from .exporters import EXPORTERS
from .fields import ScenarioError

if TYPE_CHECKING:
    from .machine import Machine, Page

_LOG = logging.getLogger(__name__)
_MAX_BODY = 1 << 20
_LOGIN_PAGE = "<!doctype html><html><head><title>Log in</title></head><body><form>Who are you?</form></body></html>\n"


class CardServer(ThreadingHTTPServer):
    """Threads that do not keep the process alive, and no traceback for a client that went away."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], machine: Machine) -> None:
        super().__init__(address, _Handler)
        self.machine = machine

    def handle_error(self, request: object, client_address: object) -> None:
        if isinstance(sys.exception(), ConnectionError | TimeoutError):
            return
        _LOG.exception("request from %s failed (%s)", client_address, request)


class _Handler(BaseHTTPRequestHandler):
    server: CardServer
    timeout = 30

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/healthz":
            self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", "ok\n")
        elif url.path == "/control":
            self._json(HTTPStatus.OK, control.index())
        elif url.path == "/control/state":
            self._json(HTTPStatus.OK, control.dump(self.server.machine))
        elif (exporter := url.path.removeprefix("/metrics/")) in EXPORTERS:
            self._metrics(exporter, dict(parse_qsl(url.query, keep_blank_values=True)))
        else:
            self._not_found()

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        if not url.path.startswith("/control/"):
            self._not_found()
            return
        try:
            answer = control.act(self.server.machine, url.path.removeprefix("/control/"), self._body())
        except ScenarioError as error:
            self._refuse(error)
        else:
            self._json(HTTPStatus.OK, answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        _LOG.debug(format, *args)

    def _metrics(self, exporter: str, query: dict[str, str]) -> None:
        try:
            page = self.server.machine.page(exporter, {key: _typed(value) for key, value in query.items()})
        except ScenarioError as error:
            self._refuse(error)
        else:
            self._speak(page)

    def _speak(self, page: Page) -> None:
        if page.fault == "down":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif page.fault == "http_500":
            self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "error gathering metrics\n")
        elif page.fault == "html":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", _LOGIN_PAGE)
        else:
            time.sleep(page.slow_seconds)
            self._answer(HTTPStatus.OK, page.content_type, page.body)

    def _body(self) -> object:
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY:
            raise ScenarioError("Content-Length", length, f"is not a number up to {_MAX_BODY}")
        text = self.rfile.read(int(length)) or b"{}"
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ScenarioError("body", text[:80].decode(errors="replace"), f"is not JSON: {error}") from error

    def _not_found(self) -> None:
        paths = ["/healthz", "/control", "/control/state", *(f"/metrics/{name}" for name in EXPORTERS)]
        posts = [f"/control/{action}" for action in control.ACTIONS]
        self._json(HTTPStatus.NOT_FOUND, {"error": f"{self.path!r} is not here", "valid": paths + posts})

    def _refuse(self, error: ScenarioError) -> None:
        self._json(HTTPStatus.BAD_REQUEST, {"error": str(error), "valid": error.valid})

    def _json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(content, indent=1) + "\n")

    def _answer(self, status: HTTPStatus, content_type: str, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _typed(value: str) -> object:
    """A query's value as JSON would have it: `false` and `0.5`, everything else as text."""
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value
