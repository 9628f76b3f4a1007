# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to reach a Prometheus: the connection options of the modules, checked before anything is sent.

The secrets among them leave this file only as request headers: no repr, message or URL holds one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, quote, quote_plus, unquote, urlsplit, urlunsplit

from ..core.errors import InputError, QueryError

HIDDEN = "********"
MAX_TIMEOUT = 3600
MAX_EXCERPT = 200
# Headers that hold no secret; the value of every other one counts as a secret.
PLAIN_HEADERS = (
    "accept",
    "accountid",
    "host",
    "projectid",
    "thanos-tenant",
    "user-agent",
    "x-grafana-org-id",
    "x-scope-orgid",
)

_URL_REMEDY = "write the address of Prometheus with its path prefix, such as http://prometheus.monitoring.svc:9090"
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HEADER_TEXT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110, 5.5
_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Connection:
    """A checked way to Prometheus: ``url`` is without credentials and without a slash at its end."""

    url: str
    timeout: float
    verify: bool | str = True
    cert: str | tuple[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def excerpt(self, text: str) -> str:
        """Return what somebody else wrote as it may be shown: one short line without any of the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        return line if len(line) <= MAX_EXCERPT else line[: MAX_EXCERPT - 1] + "…"

    def failure(self, code: str, problem: str, remedy: str) -> QueryError:
        """Return the error that names this Prometheus, what came back and what to do."""
        return QueryError(code, f"prometheus_url {self.url}: {problem}; {remedy}")


def connection(params: Mapping[str, Any]) -> Connection:
    """Return the connection that the module options ``params`` describe, or raise :class:`InputError`."""
    url = _url(params["prometheus_url"])
    timeout = params["timeout"]
    if not 0 < timeout <= MAX_TIMEOUT:
        raise InputError("timeout", timeout, "is no time to wait", f"write seconds, above 0 and at most {MAX_TIMEOUT}")
    headers = dict(_headers(params["headers"] or {}))
    secrets = {value for name, value in headers.items() if name.lower() not in PLAIN_HEADERS}
    secrets |= {value.rpartition(" ")[2] for value in secrets}  # the token of "Bearer token"
    username = params["url_username"] or unquote(url.username or "")
    password = params["url_password"] or unquote(url.password or "")
    if params["bearer_token"]:
        token = _token(params["bearer_token"])
        headers["Authorization"] = f"Bearer {token}"
        secrets.add(token)
    elif username:
        pair = base64.b64encode(f"{username}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
        secrets |= {pair, password, url.password or ""}
    encoded = {encode(secret) for secret in secrets for encode in (quote, quote_plus)}
    return Connection(
        url=urlunsplit((url.scheme, _host(url), url.path.rstrip("/"), "", "")),
        timeout=timeout,
        verify=bool(params["validate_certs"]) and (_file(params, "ca_path") or True),
        cert=_cert(params),
        headers=headers,
        secrets=tuple(sorted((secrets | encoded) - {""}, key=len, reverse=True)),
    )


def without_credentials(url: str) -> str:
    """Return what is meant as a URL without all that stands before its last ``@``: a password may hold anything."""
    return re.sub(r"^([a-zA-Z]+://)?.*@", r"\1", url, flags=re.DOTALL)


def _url(text: str) -> SplitResult:
    shown = without_credentials(text)
    refusal = InputError("prometheus_url", shown, "is no address of a Prometheus", _URL_REMEDY)
    try:
        url = urlsplit(text)
        complete = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        raise refusal from None
    if not complete or re.search(r"[\s\x00-\x1f\x7f]", text):
        raise refusal
    if url.query or url.fragment:
        raise InputError("prometheus_url", shown, "ends in a query or a fragment", _URL_REMEDY)
    return url


def _host(url: SplitResult) -> str:
    return url.netloc.rpartition("@")[2]


def _headers(headers: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if isinstance(value, bool) or not isinstance(value, (str, int)) or not _HEADER_TEXT.fullmatch(str(value)):
            raise InputError(f"headers.{name}", HIDDEN, "is no header value", "write one line of text")
        if not _HEADER_NAME.fullmatch(name):
            raise InputError("headers", name, "is no header name", "write a name such as X-Scope-OrgID")
        yield name, str(value)


def _token(text: str) -> str:
    token = text.strip()  # files and Secrets often end in a newline
    if not _TOKEN.fullmatch(token):
        raise InputError("bearer_token", HIDDEN, "holds characters that no token has", "give the bare token, in ASCII")
    return token


def _cert(params: Mapping[str, Any]) -> str | tuple[str, str] | None:
    cert, key = _file(params, "client_cert"), _file(params, "client_key")
    return (cert, key) if cert and key else cert


def _file(params: Mapping[str, Any], name: str) -> str | None:
    path: str | None = params[name]
    if path and not Path(path).exists():
        raise InputError(name, path, "does not exist on the host that runs the module", "give the path of a PEM file")
    return path or None
