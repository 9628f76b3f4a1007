# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prometheus over HTTP: one GET or POST for one PromQL expression, within one deadline, or a QueryError.

This is the only file of the modules that speaks HTTP. Transport ends here; what the samples mean is the core's.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as DeadlineError
from threading import Thread
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlencode, urljoin, urlsplit

from ..core.errors import QueryError
from .answers import LOGIN_REMEDY, PLACE_REMEDY, decode
from .connection import Connection

REQUESTS_IMPORT_ERROR: str | None
try:
    import requests
    import urllib3
except ImportError:
    REQUESTS_IMPORT_ERROR = traceback.format_exc()
else:
    REQUESTS_IMPORT_ERROR = None

MAX_BODY = 64 << 20  # bytes after decompression
MAX_REDIRECTS = 3
MAX_URL = 6000  # characters; many servers and proxies refuse a request line of 8 KiB
_CHUNK = 64 << 10

_DEADLINE_REMEDY = "check the address, a firewall on the way and the load of Prometheus, or raise timeout"
_TLS_REMEDY = "check the certificate and its names, give its CA in ca_path, or write http:// if it has no TLS"
_CLOSED_REMEDY = "look into the log of Prometheus or of the proxy in front of it, and try again"


class PrometheusClient:
    """The core's port to one Prometheus; its queries share one connection that is kept alive."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._answered = False
        self._session = requests.Session()
        # With an auth of its own the session never asks .netrc; it stays free to use the proxies of the environment.
        self._session.auth = lambda request: request
        self._session.headers.update(connection.headers)
        # One encoding, because a chain of them can inflate without bound.
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip"})
        if connection.verify is False:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def query(self, promql: str, *, time: float | None = None, lookback_delta: int | None = None) -> dict[str, Any]:
        """Return the body of ``/api/v1/query``; ``time`` is Unix time, ``lookback_delta`` is in seconds.

        Takes at most the connection's timeout, from the look-up of the name to the last byte, whatever the other
        side does: the request runs in a thread, because neither DNS nor a trickle of bytes can be timed out.
        """
        params = {"query": promql, "timeout": f"{self._connection.timeout:g}"}
        if time is not None:
            params["time"] = f"{time:.3f}"
        if lookback_delta is not None:
            params["lookback_delta"] = f"{lookback_delta}s"
        answer: Future[dict[str, Any]] = Future()
        deadline = monotonic() + self._connection.timeout
        Thread(target=self._fulfil, args=(answer, params, deadline), daemon=True).start()
        try:
            return answer.result(self._connection.timeout)
        except DeadlineError:
            raise self._too_late() from None

    def _too_late(self) -> QueryError:
        seconds = f"{self._connection.timeout:g}"
        return self._connection.failure("timeout", f"no complete answer within {seconds} seconds", _DEADLINE_REMEDY)

    def _fulfil(self, answer: Future[dict[str, Any]], params: dict[str, str], deadline: float) -> None:
        try:
            answer.set_result(self._ask(params, deadline))
        except QueryError as error:
            answer.set_exception(error)
        except (OSError, ValueError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
            answer.set_exception(self._explain(error))
        except BaseException as error:  # noqa: BLE001 - the caller waits for it in another thread
            answer.set_exception(error)

    def _ask(self, params: dict[str, str], deadline: float) -> dict[str, Any]:
        url, form = f"{self._connection.url}/api/v1/query", urlencode(params)
        long = len(url) + len(form) >= MAX_URL
        method, data, url = ("POST", params, url) if long else ("GET", None, f"{url}?{form}")
        for _hop in range(MAX_REDIRECTS + 1):
            with self._send(method, url, data, deadline) as response:
                self._answered = True
                if not response.is_redirect:
                    raw = self._read(response)
                    return decode(self._connection, response.status_code, response.headers, raw)
                url = self._target(url, response.headers["Location"])
        raise self._connection.failure("redirect", f"redirects more than {MAX_REDIRECTS} times", PLACE_REMEDY)

    def _send(self, method: str, url: str, data: dict[str, str] | None, deadline: float) -> requests.Response:
        try:
            return self._request(method, url, data)
        except requests.ConnectionError as error:
            # The other side may close an idle connection at any moment; then it never saw the question.
            cut = any(isinstance(link, ConnectionError) for link in _chain(error))
            if not (self._answered and cut) or monotonic() >= deadline:
                raise
            return self._request(method, url, data)

    def _request(self, method: str, url: str, data: dict[str, str] | None) -> requests.Response:
        return self._session.request(
            method,
            url,
            data=data,
            timeout=self._connection.timeout,
            verify=self._connection.verify,
            cert=self._connection.cert,
            allow_redirects=False,
            stream=True,
        )

    def _read(self, response: requests.Response) -> bytes:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("gzip", "identity"):
            shown = self._connection.excerpt(encoding)
            raise self._connection.failure("bad_encoding", f"answered in the encoding {shown}", PLACE_REMEDY)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > MAX_BODY:
                problem = f"the answer is larger than {MAX_BODY >> 20} MiB"
                raise self._connection.failure("too_large", problem, PLACE_REMEDY)
        return bytes(body)

    def _target(self, url: str, location: str) -> str:
        """Return where to ask next: the same server, or the same one with TLS; anywhere else is an error."""
        old, new = urlsplit(url), urlsplit(urljoin(url, location))
        upgrade = _origin(old) == ("http", new.hostname, 80) and _origin(new) == ("https", new.hostname, 443)
        if not upgrade and _origin(old) != _origin(new):
            shown = self._connection.excerpt(f"{new.scheme}://{_server(new)}")
            raise self._connection.failure("redirect", f"redirects to {shown}", LOGIN_REMEDY)
        return new._replace(netloc=_server(new)).geturl()

    def _explain(self, error: BaseException) -> QueryError:
        """Return what a failed request means for the user."""
        chain = list(_chain(error))
        late = (requests.Timeout, urllib3.exceptions.ReadTimeoutError, TimeoutError)
        if any(isinstance(link, late) for link in chain):
            return self._too_late()
        deepest = chain[-1]
        reason = getattr(deepest, "verify_message", None) or getattr(deepest, "strerror", None) or str(deepest)
        code, problem, remedy = next(
            fault for kinds, *fault in _faults() if any(isinstance(link, kinds) for link in chain)
        )
        return self._connection.failure(code, f"{problem} ({self._connection.excerpt(str(reason))})", remedy)


def _faults() -> tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, str, str], ...]:
    """Return (exceptions, reason code, problem, remedy), the most telling exceptions first."""
    known = requests.exceptions
    return (
        (known.ProxyError, "proxy", "the proxy failed", "check HTTP_PROXY, HTTPS_PROXY and NO_PROXY"),
        (socket.gaierror, "dns", "its name does not resolve", "check the spelling and the DNS of this host"),
        ((known.SSLError, ssl.SSLError), "tls", "TLS failed", _TLS_REMEDY),
        (ConnectionRefusedError, "refused", "nobody listens there", "check host and port, and that Prometheus runs"),
        ((ConnectionError, known.ChunkedEncodingError), "closed", "the connection was cut", _CLOSED_REMEDY),
        (known.ContentDecodingError, "bad_encoding", "the answer cannot be unpacked", _CLOSED_REMEDY),
        (http.client.HTTPException, "not_prometheus", "it does not speak HTTP", PLACE_REMEDY),
        (BaseException, "request", "it cannot be asked", "check the address and the way to it"),
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield ``error`` and what it wraps; requests and urllib3 keep the cause in any of four places."""
    link: object = error
    for _depth in range(10):
        if not isinstance(link, BaseException):
            return
        yield link
        context = None if link.__suppress_context__ else link.__context__
        places = (getattr(link, "reason", None), *link.args, link.__cause__, context)
        link = next((place for place in places if isinstance(place, BaseException)), None)


def _server(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[2]


def _origin(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme, url.hostname, url.port or (443 if url.scheme == "https" else 80)
