# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP server, asked with the standard library: one deadline for everything, a cap on the body, no redirect.

The gate runs on a stock Python image, so nothing but the standard library may be used here.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as DeadlineError
from dataclasses import dataclass
from threading import Thread
from typing import Optional, Union
from urllib.parse import urlsplit

from ..core.errors import InputError

REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 64 << 10
_Request = tuple[str, str, dict[str, str], Optional[bytes]]
#: What a server that closed an idle connection looks like to the next request.
_CLOSED = (ConnectionError, http.client.BadStatusLine, ssl.SSLEOFError)


@dataclass(frozen=True)
class Answer:
    """What came back, complete; header names are written ``Content-Type``."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TransportError(Exception):
    """No complete answer: ``code`` is a stable class of failure."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Channel:
    """Requests to one server over a connection that is kept alive; for one caller at a time.

    ``timeout`` (seconds) bounds a request from the look-up of the name to the last byte; ``max_body`` is in bytes.
    """

    _connection: Optional[http.client.HTTPConnection] = None

    def __init__(self, url: str, *, timeout: float, max_body: int, ca_path: Optional[str] = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError("url", url, "is no address", "write http:// or https://, a host and a port")
        self.url = url.rstrip("/")
        self.prefix = parts.path.rstrip("/")
        self.timeout = timeout
        self._max_body = max_body
        self._ca_path = ca_path
        self._tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._tls else 80)

    def send(
        self, method: str, path: str, headers: Optional[Mapping[str, str]] = None, body: Optional[bytes] = None
    ) -> Answer:
        """Return the answer whatever its status; raises :class:`TransportError` without a complete one.

        The request runs in a thread, because neither DNS nor a trickle of bytes can be timed out. A request is sent
        again only where a kept-alive connection turns out to be closed.
        """
        answer: Future[Answer] = Future()
        request = (method, path, dict(headers or {}), body)
        deadline = time.monotonic() + self.timeout
        Thread(target=self._fulfil, args=(answer, request, deadline), daemon=True).start()
        try:
            return answer.result(self.timeout)
        except (DeadlineError, TimeoutError):
            self.close()
            raise TransportError("timeout", f"{self.url}: no complete answer within {self.timeout:g} s") from None

    def close(self) -> None:
        """Cut the connection; a request that still waits ends with it."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()

    def __del__(self) -> None:
        self.close()

    def _fulfil(self, answer: Future[Answer], request: _Request, deadline: float) -> None:
        try:
            answer.set_result(self._send(request, deadline))
        except BaseException as error:  # noqa: BLE001 - the caller waits for it in another thread
            answer.set_exception(error if isinstance(error, TransportError) else self._explain(error))

    def _send(self, request: _Request, deadline: float) -> Answer:
        reused = self._connection is not None
        try:
            return self._exchange(*request)
        except _CLOSED:
            # After the deadline it was `close` that cut the connection, and nobody waits for an answer any more.
            if not reused or time.monotonic() >= deadline:
                raise
        return self._exchange(*request)

    def _exchange(self, method: str, path: str, headers: dict[str, str], body: Optional[bytes]) -> Answer:
        connection = self._connection = self._connection or self._connect()
        kept = False
        try:
            # One encoding: what is not packed cannot inflate.
            connection.request(method, self.prefix + path, body, {"Accept-Encoding": "identity", **headers})
            with connection.getresponse() as response:
                answer = Answer(response.status, _headers(response), self._read(response))
                kept = not response.will_close
            return answer
        finally:
            if not kept:
                connection.close()
                if self._connection is connection:
                    self._connection = None

    def _connect(self) -> http.client.HTTPConnection:
        if not self._tls:
            return http.client.HTTPConnection(self._host, self._port, timeout=self.timeout)
        # Read anew for each connection: certificates are renewed while the gate runs.
        context = ssl.create_default_context(cafile=self._ca_path)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self.timeout, context=context)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding != "identity":
            raise TransportError("bad_encoding", f"{self.url}: answered in an encoding that was not asked for")
        body = bytearray()
        while chunk := response.read(min(_CHUNK, self._max_body + 1 - len(body))):
            body += chunk
            if len(body) > self._max_body:
                raise TransportError("too_large", f"{self.url}: the answer is larger than {self._max_body} bytes")
        if response.length:
            raise TransportError("closed", f"{self.url}: the connection was cut within the answer")
        return bytes(body)

    def _explain(self, error: BaseException) -> TransportError:
        code, problem = next(told for kinds, *told in _FAULTS if isinstance(error, kinds))
        reason = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or type(error).__name__
        return TransportError(code, f"{self.url}: {problem} ({reason})")


def _headers(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.title(): value for name, value in response.getheaders()}


_FAULTS: tuple[tuple[Union[type[BaseException], tuple[type[BaseException], ...]], str, str], ...] = (
    (socket.gaierror, "dns", "its name does not resolve"),
    ((TimeoutError, socket.timeout), "timeout", "no answer in time"),
    (ssl.SSLEOFError, "closed", "the connection was cut"),
    (ssl.SSLError, "tls", "TLS failed"),
    (ConnectionRefusedError, "refused", "nobody listens there"),
    ((ConnectionError, http.client.IncompleteRead), "closed", "the connection was cut"),
    (http.client.HTTPException, "not_http", "it does not speak HTTP"),
    (BaseException, "request", "it cannot be asked"),
)
