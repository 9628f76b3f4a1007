"""The gate's HTTP against a real socket: whatever the other side does, one deadline and one class of failure."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError, QueryError
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.prometheus import Prometheus, Remembering
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.transport import Channel, TransportError
from tests.unit.plugins.adapters.certificates import Authority
from tests.unit.plugins.adapters.fault_server import GOOD_BODY, FaultServer, Peer, Talk, always, once, reply

TIMEOUT = 0.5
LIMIT = 1000


def cut(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def reset(peer: Peer) -> None:
    peer.request()
    peer.reset()


def hang(peer: Peer) -> None:
    peer.request()
    peer.hang()


def drip_head(peer: Peer) -> None:
    peer.request()
    peer.trickle(b"HTTP/1.1 200 OK\r\nX-Slow: 1\r\n")


def drip_body(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")
    peer.trickle(b"x")


def endless(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while not peer.server.stopping.is_set():
        peer.send(b"x" * 4096)


FAULTS: list[tuple[str, Talk, str]] = [
    ("cut", cut, "closed"),
    ("reset", reset, "closed"),
    ("says nothing", hang, "timeout"),
    ("a header that never ends", drip_head, "timeout"),
    ("a body that never ends", drip_body, "timeout"),
    ("too large by its length", once(reply(b"x" * (LIMIT + 1))), "too_large"),
    ("too large without a length", endless, "too_large"),
    ("no HTTP", once(b"SSH-2.0-OpenSSH_9\r\n"), "not_http"),
    ("packed", once(reply(b"\x1f\x8b", content_encoding="gzip")), "bad_encoding"),
]


def channel(server: FaultServer, **settings: str) -> Channel:
    return Channel(server.url, timeout=TIMEOUT, max_body=LIMIT, **settings)


@pytest.mark.parametrize(("talk", "code"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_every_failure_has_its_class_and_ends_in_time(talk: Talk, code: str) -> None:
    with FaultServer(talk) as server:
        began = time.monotonic()
        with pytest.raises(TransportError) as caught:
            channel(server).send("GET", "/metrics")
        assert caught.value.code == code
        assert server.url in str(caught.value)
        assert time.monotonic() - began < TIMEOUT + 2


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransportError) as caught:
        Channel(f"http://127.0.0.1:{port}", timeout=TIMEOUT, max_body=LIMIT).send("GET", "/")
    assert caught.value.code == "refused"


def test_a_name_that_does_not_resolve() -> None:
    with pytest.raises(TransportError) as caught:
        Channel("http://nobody.invalid", timeout=5, max_body=LIMIT).send("GET", "/")
    assert caught.value.code in ("dns", "timeout")


def test_the_connection_is_kept_and_renewed_when_the_server_closed_it() -> None:
    with FaultServer(always(reply("ok"))) as server:
        http = channel(server)
        assert [http.send("GET", "/").body for _ in range(3)] == [b"ok"] * 3
        assert server.connections == 1
    with FaultServer(once(reply("ok"))) as server:
        http = channel(server)
        assert [http.send("GET", "/").body for _ in range(3)] == [b"ok"] * 3
        assert server.connections == 3


def test_a_redirect_is_an_answer_and_never_followed() -> None:
    with FaultServer(always(reply("", status=302, location="http://127.0.0.1:1/login"))) as server:
        assert channel(server).send("GET", "/").status == 302


def test_threads_of_late_requests_end() -> None:
    with FaultServer(hang) as server:
        before = threading.active_count()
        http = channel(server)
        for _ in range(3):
            with pytest.raises(TransportError):
                http.send("GET", "/")
        settle(before + 3)  # the server has one a connection


def test_what_nobody_waits_for_any_more_is_not_sent_again() -> None:
    def answers_once(peer: Peer) -> None:
        peer.request()
        peer.send(reply("ok"))
        peer.request()
        peer.hang()

    with FaultServer(answers_once) as server:
        before = threading.active_count()
        http = channel(server)
        http.send("GET", "/")
        with pytest.raises(TransportError):
            http.send("PATCH", "/scale", body=b"{}")
        settle(before + 1)
        assert [request.method for request in server.requests] == ["GET", "PATCH"]


def settle(threads: int) -> None:
    """Wait until no more threads are there than these."""
    deadline = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= threads


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates"))


def test_a_certificate_of_the_given_authority_is_trusted(authority: Authority) -> None:
    with FaultServer(once(reply("ok")), authority.issue("good").context()) as server:
        assert channel(server, ca_path=str(authority.cert)).send("GET", "/").body == b"ok"


@pytest.mark.parametrize("case", ["unknown", "expired", "other name"])
def test_a_bad_certificate_is_refused(authority: Authority, case: str) -> None:
    identity = {
        "unknown": lambda: authority.issue("unknown"),
        "expired": lambda: authority.issue("expired", days=-1),
        "other name": lambda: authority.issue("other", "192.0.2.1"),
    }[case]()
    trusted = {} if case == "unknown" else {"ca_path": str(authority.cert)}
    with FaultServer(once(reply("ok")), identity.context()) as server, pytest.raises(TransportError) as caught:
        channel(server, **trusted).send("GET", "/")
    assert caught.value.code == "tls"


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(InputError, match="is no address"):
        Channel("ftp://x", timeout=1, max_body=1)


def asked(server: FaultServer, **settings: str) -> dict[str, object]:
    port = Prometheus(server.url, timeout=TIMEOUT, **settings)
    return dict(port.query("up", time=12.5, lookback_delta=30))


def test_prometheus_is_asked_as_its_api_wants(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    with FaultServer(always(reply())) as server:
        assert asked(server, token_path=str(token)) == GOOD_BODY
        token.write_text("second")
        asked(server, token_path=str(token))
    first, second = server.requests
    assert (first.method, first.target) == ("POST", "/api/v1/query")
    assert first.body == b"query=up&timeout=0.5&time=12.500&lookback_delta=30s"
    assert [one.headers["authorization"] for one in (first, second)] == ["Bearer first", "Bearer second"]


ANSWERS = [
    (reply("", status=302, location="http://127.0.0.1:1/"), "redirect"),
    (reply("<html>", media="text/html"), "not_prometheus"),
    (reply(b"{", media="application/json"), "bad_json"),
    (reply({"status": "error", "errorType": "execution", "error": "x"}), "query_failed"),
    (reply("no", status=401), "unauthorized"),
    (reply("no", status=403), "forbidden"),
    (reply("no", status=429, retry_after="7"), "rate_limited"),
    (reply("no", status=503), "server_error"),
]


@pytest.mark.parametrize(("answer", "code"), ANSWERS, ids=[code for _answer, code in ANSWERS])
def test_what_is_no_answer_of_prometheus_is_an_error(answer: bytes, code: str) -> None:
    with FaultServer(once(answer)) as server, pytest.raises(QueryError) as caught:
        asked(server)
    assert caught.value.code == code


def test_no_message_shows_the_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret")
    with FaultServer(once(reply("s3cret", status=403))) as server, pytest.raises(QueryError) as caught:
        asked(server, token_path=str(token))
    assert "s3cret" not in str(caught.value)


def test_only_peaks_are_remembered() -> None:
    clock = [0.0]
    with FaultServer(always(reply())) as server:
        port = Remembering(Prometheus(server.url, timeout=TIMEOUT), 10, lambda: clock[0])
        for _ in range(3):
            port.query("now", time=None, lookback_delta=5)
            port.query("peaks", time=None, lookback_delta=None)
        assert [request.body[:9] for request in server.requests].count(b"query=pea") == 1
        assert len(server.requests) == 4
        clock[0] = 11
        port.query("peaks", time=None, lookback_delta=None)
        assert len(server.requests) == 5
