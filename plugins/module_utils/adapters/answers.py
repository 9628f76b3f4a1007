# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an answer over HTTP means: the body of the Prometheus API, or a reason code and a sentence.

An answer is taken only if everything about it is as the API promises
(https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from .connection import Connection

PLACE_REMEDY = "give the address of Prometheus itself (not of Alertmanager or Grafana) with its path prefix"
LOGIN_REMEDY = "is that a login page? " + PLACE_REMEDY + ", and credentials that it takes"
_CREDENTIAL_REMEDY = "give bearer_token, or url_username and url_password, that may query it"
_QUERY_REMEDY = "shorten lookback, raise timeout, or look into the log of Prometheus"
_SERVER_REMEDY = "look into the log of Prometheus or of the proxy in front of it, and try again"

_BY_STATUS = {
    401: ("unauthorized", _CREDENTIAL_REMEDY),
    403: ("forbidden", _CREDENTIAL_REMEDY),
    404: ("not_found", PLACE_REMEDY),
    429: ("rate_limited", "try again later, or ask whoever runs it for a higher limit"),
}


def decode(connection: Connection, status: int, headers: Mapping[str, str], raw: bytes) -> dict[str, Any]:
    """Return the body of a successful answer of the query API; anything else raises QueryError."""
    media = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    body = _json_object(raw)
    error = _api_error(connection, body)
    start = "an HTML page" if "html" in media else connection.excerpt(raw[:4096].decode("utf-8", "replace"))
    if status != 200:
        code, remedy = _BY_STATUS.get(status) or _by_kind(status, from_api=bool(error))
        wait = connection.excerpt(headers.get("Retry-After", ""))
        waits = f" (Retry-After: {wait})" if wait else ""
        raise connection.failure(code, f"answered HTTP {status}{waits}: {error or start or 'nothing'}", remedy)
    if error:
        raise connection.failure("query_failed", f"answered status error: {error}", _QUERY_REMEDY)
    if media and media != "application/json":
        remedy = LOGIN_REMEDY if "html" in media else PLACE_REMEDY
        raise connection.failure("not_prometheus", f"answered {connection.excerpt(media)}, not JSON: {start}", remedy)
    if body is None:
        raise connection.failure("bad_json", f"answered what is no complete JSON object: {start}", _SERVER_REMEDY)
    if body.get("status") != "success":
        raise connection.failure("not_prometheus", f"answered JSON that is not Prometheus': {start}", PLACE_REMEDY)
    return body


def _by_kind(status: int, *, from_api: bool) -> tuple[str, str]:
    if from_api:
        return "query_failed", _QUERY_REMEDY
    return ("server_error", _SERVER_REMEDY) if status >= 500 else ("http_status", PLACE_REMEDY)


def _json_object(raw: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _refuse(token: str) -> NoReturn:
    # Python reads NaN and Infinity; JSON has neither.
    raise ValueError(token)


def _api_error(connection: Connection, body: Mapping[str, Any] | None) -> str:
    if body is None or body.get("status") != "error":
        return ""
    return connection.excerpt(f"{body.get('errorType') or 'error'}: {body.get('error') or 'no reason given'}")
