"""Small questions over loopback HTTP; no answer is an answer here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from dev import loopback

_TIMEOUT = 2.0


def ask(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    verify: bool | Path = False,
    params: Mapping[str, str] | None = None,
) -> requests.Response | None:
    """GET; None where nobody answers in two seconds."""
    try:
        return loopback.get(
            url,
            headers=dict(headers or {}),
            params=dict(params or {}),
            verify=str(verify) if isinstance(verify, Path) else verify,
            timeout=_TIMEOUT,
        )
    except requests.RequestException:
        return None


def is_ok(url: str, *, headers: Mapping[str, str] | None = None, verify: bool | Path = False) -> bool:
    """Tell whether the page answers 200."""
    answer = ask(url, headers=headers, verify=verify)
    return answer is not None and answer.status_code == requests.codes.ok


def answer_of(response: requests.Response | None) -> Any:
    """Return the decoded JSON of a good answer, else None."""
    if response is None or response.status_code != requests.codes.ok:
        return None
    try:
        return response.json()
    except ValueError:
        return None
