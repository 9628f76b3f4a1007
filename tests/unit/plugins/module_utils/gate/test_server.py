"""Where /metrics, /healthz and /readyz can be asked."""

from __future__ import annotations

import socket
import time

import pytest
import requests

from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.health import Health
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.metrics import Metrics
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.server import serve
from dev import loopback

HOSTS = ("127.0.0.1", "[::1]") if socket.has_dualstack_ipv6() else ("127.0.0.1",)


@pytest.mark.parametrize("address", ["", *(host.strip("[]") for host in HOSTS)])
def test_the_kubelet_is_answered_by_the_family_of_the_pod(address: str) -> None:
    server = serve((address, 0), Metrics(), Health(60, time.monotonic))
    try:
        for host in HOSTS:
            url = f"http://{host}:{server.server_address[1]}/healthz"
            if address in ("", host.strip("[]")):
                assert loopback.get(url, timeout=5).text == "ok\n"
            else:
                with pytest.raises(requests.ConnectionError):
                    loopback.get(url, timeout=5)
    finally:
        server.shutdown()
        server.server_close()
