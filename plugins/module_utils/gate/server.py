# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serves /metrics, /healthz and /readyz."""

from __future__ import annotations

import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Optional

from .health import Health
from .metrics import CONTENT_TYPE, Metrics

READ_TIMEOUT = 5  # seconds that a client may take to send its request


class _Server(ThreadingHTTPServer):
    """Listens on IPv4 and IPv6 where it is told no address: the kubelet asks by the family of the pod."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        both = not address[0] and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if both or ":" in address[0] else socket.AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind, and not to IPv6 alone."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def serve(address: tuple[str, int], metrics: Metrics, health: Health) -> ThreadingHTTPServer:
    """Start to serve in the background and return the server; port 0 takes a free one."""
    checks: dict[str, Callable[[], Optional[str]]] = {"/healthz": health.hung, "/readyz": health.unready}

    class Handler(BaseHTTPRequestHandler):
        """Answers GET for three paths."""

        timeout = READ_TIMEOUT

        def do_GET(self) -> None:
            """Answer."""
            if self.path == "/metrics":
                self._answer(200, metrics.page(), CONTENT_TYPE)
            elif self.path in checks:
                wrong = checks[self.path]()
                self._answer(503 if wrong else 200, f"{wrong or 'ok'}\n", "text/plain; charset=utf-8")
            else:
                self._answer(404, "here are /metrics, /healthz and /readyz\n", "text/plain; charset=utf-8")

        def log_message(self, *_: object) -> None:
            """Say nothing: the log is for transitions."""

        def _answer(self, status: int, text: str, media: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = _Server(address, Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    return server
