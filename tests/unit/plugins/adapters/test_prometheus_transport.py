# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names, connections and TLS that fail: a reason, and never later than the deadline."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.plugins.adapters.asking import client, refusal
from tests.unit.plugins.adapters.certificates import Authority
from tests.unit.plugins.adapters.fault_server import GOOD_BODY, FaultServer, Peer, Talk, always, reply


def trickle_status_line(peer: Peer) -> None:
    peer.request()
    peer.trickle(b"HTTP/1.1 200 OK")


def trickle_headers(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n")
    peer.trickle(b"X: y\r\n")


def trickle_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n")
    peer.trickle(b" ")


def trickle_chunks(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    peer.trickle(b"1\r\n \r\n")


def continue_forever(peer: Peer) -> None:
    peer.request()
    peer.trickle(b"HTTP/1.1 100 Continue\r\n\r\n")


def redirect_slowly(peer: Peer) -> None:
    peer.request()
    peer.server.stopping.wait(0.15)
    peer.send(reply("", 302, location="/again"))


SLOW: list[Talk] = [
    Peer.hang,
    trickle_status_line,
    trickle_headers,
    trickle_body,
    trickle_chunks,
    continue_forever,
    redirect_slowly,
]


@pytest.mark.parametrize("talk", SLOW)
def test_the_deadline_covers_the_whole_request(talk: Talk) -> None:
    with FaultServer(talk) as server:
        started = time.monotonic()
        error = refusal(server.url, timeout=0.4)
        taken = time.monotonic() - started
    assert error.code == "timeout"
    assert "no complete answer within 0.4 seconds" in error.message
    assert "raise timeout" in error.message
    assert 0.35 < taken < 2


def test_a_tls_handshake_that_never_ends_meets_the_deadline() -> None:
    with FaultServer(Peer.hang) as server:
        started = time.monotonic()
        error = refusal(server.url.replace("http:", "https:"), timeout=0.4)
    assert error.code == "timeout"
    assert time.monotonic() - started < 2


def test_a_name_server_that_never_answers_meets_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: done.wait())
    started = time.monotonic()
    error = refusal("http://prometheus.example:9090", timeout=0.4)
    done.set()
    assert error.code == "timeout"
    assert time.monotonic() - started < 2


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a port whose SYNs the kernel drops, because the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_a_black_hole_meets_the_deadline() -> None:
    with black_hole() as port:
        started = time.monotonic()
        error = refusal(f"http://127.0.0.1:{port}", timeout=0.4)
    assert error.code == "timeout"
    assert "firewall" in error.message
    assert time.monotonic() - started < 2


def test_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refusal(f"http://127.0.0.1:{port}")
    assert error.code == "refused"
    assert "nobody listens there (Connection refused); check host and port" in error.message


def test_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = refusal("http://prometheus.typo:9090/prefix")
    assert error.code == "dns"
    assert error.message.startswith(
        "prometheus_url http://prometheus.typo:9090/prefix: its name does not resolve (Name or"
    )


def test_a_name_that_no_dns_can_hold() -> None:
    assert refusal(f"http://{'a' * 70}.example").code == "request"


TLS_FAULTS: list[tuple[str, Callable[[Authority], dict[str, Any]], list[str]]] = [
    ("expired", lambda ca: {"identity": ca.issue("expired", days=-1), "ca_path": str(ca.cert)}, ["expired"]),
    ("wrong name", lambda ca: {"identity": ca.issue("wrong", "127.0.0.2"), "ca_path": str(ca.cert)}, ["127.0.0.1"]),
    ("unknown authority", lambda ca: {"identity": ca.issue("unknown")}, ["unable to get local issuer certificate"]),
]


@pytest.mark.parametrize(("build", "words"), [pytest.param(*case[1:], id=case[0]) for case in TLS_FAULTS])
def test_a_certificate_that_cannot_be_trusted(
    build: Callable[[Authority], dict[str, Any]], words: list[str], authority: Authority
) -> None:
    params = build(authority)
    with FaultServer(always(reply()), params.pop("identity").context()) as server:
        error = refusal(server.url, **params)
    assert error.code == "tls"
    assert "ca_path" in error.message
    assert server.requests == [], "nothing is sent to somebody who cannot prove who they are"
    for word in words:
        assert word in error.message


def test_https_asked_of_a_plain_server() -> None:
    with FaultServer(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        error = refusal(server.url.replace("http:", "https:"))
    assert error.code == "tls"
    assert "wrong version number" in error.message
    assert "write http://" in error.message


def test_a_trusted_certificate_and_an_unverified_one(authority: Authority, recwarn: pytest.WarningsRecorder) -> None:
    with FaultServer(always(reply()), authority.issue("good").context()) as server:
        assert client(server.url, ca_path=str(authority.cert)).query("up") == GOOD_BODY
    with FaultServer(always(reply()), authority.issue("bad", days=-1).context()) as server:
        assert client(server.url, validate_certs=False).query("up") == GOOD_BODY
    assert not recwarn.list


def test_validate_certs_false_is_stronger_than_the_environment(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.cert))
    with FaultServer(always(reply()), authority.issue("late", days=-1).context()) as server:
        assert client(server.url, validate_certs=False).query("up") == GOOD_BODY


def test_a_client_certificate(authority: Authority) -> None:
    me = authority.issue("client")
    with FaultServer(always(reply()), authority.issue("mutual").context(client_ca=authority.cert)) as server:
        files = {"ca_path": str(authority.cert), "client_cert": str(me.cert), "client_key": str(me.key)}
        assert client(server.url, **files).query("up") == GOOD_BODY
        assert refusal(server.url, ca_path=str(authority.cert)).code in ("tls", "closed")


def test_a_client_certificate_that_is_none(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    with FaultServer(always(reply()), authority.issue("strict").context()) as server:
        error = refusal(server.url, ca_path=str(authority.cert), client_cert=str(tmp_path / "empty.pem"))
        assert error.code in ("tls", "request")
        assert refusal(server.url, ca_path=str(tmp_path / "empty.pem")).code in ("tls", "request")
