# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prometheus behind the core's port, with the standard library; answers are judged by the modules' own file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import urlencode

from ..adapters.answers import LOGIN_REMEDY, decode
from ..adapters.connection import Connection
from ..core.errors import QueryError
from ..core.samples import PromQuery
from .transport import REDIRECTS, Channel, TransportError

MAX_BODY = 16 << 20  # bytes; a gate with 200 targets reads about 1 MiB
_REMEDY = "check the address, the NetworkPolicy of the gate and the log of Prometheus"


class Prometheus:
    """The core's port to one Prometheus; ``token_path`` is read anew for each query, because tokens rotate."""

    def __init__(
        self, url: str, *, timeout: float, ca_path: Optional[str] = None, token_path: Optional[str] = None
    ) -> None:
        self._channel = Channel(url, timeout=timeout, max_body=MAX_BODY, ca_path=ca_path)
        self._token_path = token_path

    def query(self, promql: str, *, time: Optional[float], lookback_delta: Optional[int]) -> Mapping[str, Any]:
        """Return the decoded body of ``/api/v1/query``; raises QueryError for every other answer."""
        form = {"query": promql, "timeout": f"{self._channel.timeout:g}"}
        if time is not None:
            form["time"] = f"{time:.3f}"
        if lookback_delta is not None:
            form["lookback_delta"] = f"{lookback_delta}s"
        token = self._token()
        secrets = (token,) if token else ()
        connection = Connection(self._channel.url, self._channel.timeout, secrets=secrets)
        headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            answer = self._channel.send("POST", "/api/v1/query", headers, urlencode(form).encode())
        except TransportError as error:
            raise QueryError(error.code, f"Prometheus {error}; {_REMEDY}") from error
        if answer.status in REDIRECTS:
            raise connection.failure("redirect", "redirects to another address", LOGIN_REMEDY)
        return decode(connection, answer.status, answer.headers, answer.body)

    def _token(self) -> str:
        if self._token_path is None:
            return ""
        try:
            return Path(self._token_path).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise QueryError("token", f"the token file {self._token_path} cannot be read: {error}") from error


class Remembering:
    """A port that asks for peaks over the look-back only now and then: they are costly and change slowly.

    ``seconds`` is how long an answer is used, ``clock`` a monotonic clock.
    """

    def __init__(self, port: PromQuery, seconds: float, clock: Callable[[], float]) -> None:
        self._port = port
        self._seconds = seconds
        self._clock = clock
        self._known: dict[str, tuple[float, Mapping[str, Any]]] = {}

    def query(self, promql: str, *, time: Optional[float], lookback_delta: Optional[int]) -> Mapping[str, Any]:
        """Return the answer; only questions without a ``lookback_delta``, those for peaks, are remembered."""
        if lookback_delta is not None:
            return self._port.query(promql, time=time, lookback_delta=lookback_delta)
        now = self._clock()
        self._known = {key: kept for key, kept in self._known.items() if now - kept[0] < self._seconds}
        if promql not in self._known:
            self._known[promql] = (now, self._port.query(promql, time=time, lookback_delta=None))
        return self._known[promql][1]
