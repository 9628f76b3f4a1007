# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clients under test, and what holds for every refusal of theirs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.connection import connection
from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.prometheus import PrometheusClient
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import QueryError

TOKEN = "s3cr3t+t0k/en=="
NO_PARAMS: dict[str, Any] = {
    "bearer_token": None,
    "url_username": None,
    "url_password": None,
    "headers": None,
    "ca_path": None,
    "client_cert": None,
    "client_key": None,
    "validate_certs": True,
    "timeout": 10,
}


def client(url: str, **params: object) -> PrometheusClient:
    return PrometheusClient(connection({**NO_PARAMS, "prometheus_url": url, **params}))


def refusal(url: str, **params: object) -> QueryError:
    """Return the error of one query, after checking what holds for all of them."""
    with pytest.raises(QueryError) as caught:
        client(url, **{"bearer_token": TOKEN, **params}).query("up", time=None, lookback_delta=None)
    error = caught.value
    assert error.message.startswith("prometheus_url http")
    assert "; " in error.message, "every message ends in a remedy"
    assert error.message.isprintable()
    assert len(error.message) < 700
    return error
