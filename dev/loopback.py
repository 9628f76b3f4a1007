"""HTTP to servers of our own on this machine, as ``requests`` has it, but with nothing of the caller's environment.

A proxy must not see loopback, and other CAs must not stand in for ours. It also lets threads ask while somebody else
changes the environment, as pytest does before each test: ``requests`` would list it to look for proxies.
"""

from __future__ import annotations

from typing import Any

import requests


def session() -> requests.Session:
    """Return a session for many requests of one thread."""
    made = requests.Session()
    made.trust_env = False
    return made


def request(method: str, url: str, **told: Any) -> requests.Response:
    """Ask once; ``told`` is what :func:`requests.request` takes."""
    with session() as once:
        return once.request(method, url, **told)


def get(url: str, **told: Any) -> requests.Response:
    return request("GET", url, **told)


def post(url: str, **told: Any) -> requests.Response:
    return request("POST", url, **told)
