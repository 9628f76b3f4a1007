# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Kubernetes API with the standard library: what the gate may do there, and nothing else.

The service account's token is read anew for each request, because bound tokens rotate.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import urlencode

from .transport import Answer, Channel, TransportError

MAX_BODY = 64 << 20
PAGE_SIZE = 500
ATTEMPTS = 3
#: how long a look may lose with reads that fail, and as long with writes and with Events (seconds)
PATIENCE = 4.0
#: the code of what was not even asked for
OVERLOADED = "overloaded"
MERGE = "application/merge-patch+json"
_SCALE = "/scale"
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 2.0

Object = dict[str, Any]


class KubeError(Exception):
    """A request that did not succeed: ``code`` is a class of failure for metrics, ``status`` the HTTP status or 0.

    ``reason`` is the API server's own word for it, such as ``AlreadyExists``.
    """

    def __init__(self, code: str, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.reason = reason

    @property
    def unreachable(self) -> bool:
        """Tell whether the API server itself is away, so that asking on is useless for now."""
        return self.status == 0

    @property
    def ambiguous(self) -> bool:
        """Tell whether a write may have happened although this failed."""
        return self.sent and (self.status < 300 or self.status >= 500)

    @property
    def sent(self) -> bool:
        """Tell whether the API server was asked at all."""
        return self.code != OVERLOADED


@dataclass(frozen=True)
class Account:
    """Where the API server is, and the files of the service account."""

    url: str
    token_path: str
    ca_path: Optional[str]


class Kube:
    """Asks as a service account; ``pause`` waits some seconds between attempts.

    However many namespaces there are, a look loses only so long with an API server that fails: then nothing is tried
    again, and nothing more is asked for. What takes a tenant off its card is tried once all the same.
    """

    #: what this look has lost by the kind of request (seconds), whether it had an answer, and whether it may still
    #: change replicas when it has lost enough
    _lost: Mapping[str, float] = {}
    _served = False
    _last_try = True

    def __init__(self, account: Account, *, timeout: float, pause: Callable[[float], object]) -> None:
        self._channel = Channel(account.url, timeout=timeout, max_body=MAX_BODY, ca_path=account.ca_path)
        self._token_path = account.token_path
        self._pause = pause
        self.requests: dict[str, int] = {}

    def begin(self) -> None:
        """Begin a look."""
        self._lost, self._served, self._last_try = {}, False, True

    def pods(self, namespace: str) -> list[Object]:
        """Return the pods of a namespace."""
        return list(self._pages(f"/api/v1/namespaces/{namespace}/pods"))

    def scale(self, namespace: str, name: str) -> Object:
        """Return the Scale of a Deployment."""
        return self._json("GET", _scale_path(namespace, name))

    def set_scale(self, namespace: str, name: str, replicas: int) -> Object:
        """Set the number of replicas and return the Scale."""
        return self._json("PATCH", _scale_path(namespace, name), {"spec": {"replicas": replicas}})

    def config_map(self, namespace: str, name: str) -> Object:
        """Return a ConfigMap."""
        return self._json("GET", _config_map_path(namespace, name))

    def patch_config_map(self, namespace: str, name: str, data: Mapping[str, str], version: Optional[str]) -> Object:
        """Set keys of a ConfigMap, only if it is still of ``version``: the status is 409 else."""
        body = {"metadata": {"resourceVersion": version}, "data": dict(data)}
        return self._json("PATCH", _config_map_path(namespace, name), body)

    def create_event(self, event: Object) -> None:
        """Create an Event; one of that name that is there already is this one."""
        path = f"/apis/events.k8s.io/v1/namespaces/{event['metadata']['namespace']}/events"
        try:
            self._json("POST", path, event)
        except KubeError as error:
            if error.reason != "AlreadyExists":
                raise

    def _pages(self, path: str) -> Iterator[Object]:
        onward = ""
        while True:
            query = {"limit": str(PAGE_SIZE), **({"continue": onward} if onward else {})}
            body = self._json("GET", f"{path}?{urlencode(query)}")
            yield from body.get("items") or []
            onward = (body.get("metadata") or {}).get("continue") or ""
            if not onward:
                return

    def _json(self, method: str, path: str, body: Optional[Object] = None) -> Object:
        """Return the answer's object; 429 and 5xx are tried again after a wait that grows, with jitter."""
        if self._spent(method) >= PATIENCE:
            self._grant(method, path)
        answer = self._send(method, path, body)
        for attempt in range(1, ATTEMPTS):
            wait = _wait(attempt, answer)
            if not _failed(answer) or self._spent(method) + wait > PATIENCE:
                break
            self._lose(method, wait)
            self._pause(wait)
            answer = self._send(method, path, body)
        return _decoded(method, path, answer)

    def _spent(self, method: str) -> float:
        """Return what the look has lost with requests of this kind; with all, where it had no answer at all."""
        return self._lost.get(method, 0.0) if self._served else sum(self._lost.values())

    def _lose(self, method: str, seconds: float) -> None:
        self._lost = {**self._lost, method: self._lost.get(method, 0.0) + seconds}

    def _grant(self, method: str, path: str) -> None:
        """Let one change of replicas through though the look has lost enough, until one fails; raise for all else."""
        if not (self._last_try and method == "PATCH" and path.endswith(_SCALE)):
            told = f"{method} {path}: not asked, because the API server has failed for {PATIENCE:g} s in this look"
            raise KubeError(OVERLOADED, told)
        self._last_try = False

    def _send(self, method: str, path: str, body: Optional[Object]) -> Answer:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._token()}"}
        if body is not None:
            headers["Content-Type"] = MERGE if method == "PATCH" else "application/json"
        self.requests[method] = self.requests.get(method, 0) + 1
        began = time.monotonic()
        try:
            answer = self._channel.send(method, path, headers, None if body is None else json.dumps(body).encode())
        except TransportError as error:
            self._lose(method, time.monotonic() - began)
            raise KubeError(error.code, f"{method} {path}: {error}") from error
        if _failed(answer):
            self._lose(method, time.monotonic() - began)
        else:
            self._served = self._last_try = True
        return answer

    def _token(self) -> str:
        try:
            return Path(self._token_path).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise KubeError("token", f"the service account's token cannot be read: {error}") from error


def _failed(answer: Answer) -> bool:
    return answer.status == 429 or answer.status >= 500


def _wait(attempt: int, answer: Answer) -> float:
    told = answer.headers.get("Retry-After", "")
    least = min(float(told), _LONGEST_WAIT) if told.isascii() and told.isdigit() else 0.0
    # Many gates that failed together must not come back together.
    longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**attempt)
    return max(least, longest * random.uniform(0.5, 1.0))  # noqa: S311 - no secret


def _decoded(method: str, path: str, answer: Answer) -> Object:
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if answer.status not in (200, 201):
        told = body if isinstance(body, dict) else {}
        said = " ".join(str(told.get("message") or "no reason given").split())[:300]
        message = f"{method} {path}: HTTP {answer.status}: {said}"
        raise KubeError(str(answer.status), message, answer.status, str(told.get("reason", "")))
    if not isinstance(body, dict):
        raise KubeError("not_kubernetes", f"{method} {path}: the answer is no object", answer.status)
    return body


def _scale_path(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}{_SCALE}"


def _config_map_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps/{name}"
