# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the client sends, to whom, and over which connection."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import QueryError
from tests.unit.plugins.adapters.asking import TOKEN, client, refusal
from tests.unit.plugins.adapters.certificates import Authority
from tests.unit.plugins.adapters.fault_server import GOOD_BODY, FaultServer, Peer, Talk, always, once, reply


def redirecting(status: int, location: Callable[[Peer], str]) -> Talk:
    def talk(peer: Peer) -> None:
        while True:
            moved = "/new/" not in peer.request().target
            peer.send(reply("moved", status, "text/html", location=location(peer)) if moved else reply())

    return talk


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_server_is_followed(status: int) -> None:
    with FaultServer(redirecting(status, lambda _peer: "/new/api/v1/query?query=up")) as server:
        assert client(server.url, bearer_token=TOKEN).query("up") == GOOD_BODY
    assert [request.target.partition("?")[0] for request in server.requests] == ["/api/v1/query", "/new/api/v1/query"]
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in server.requests)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_redirect_to_another_server_is_refused_and_gets_no_request(status: int, scheme: str) -> None:
    with FaultServer(always(reply())) as other:
        elsewhere = f"{scheme}://user:pass@localhost:{other.port}/login?next=/api&token=abc"
        with FaultServer(redirecting(status, lambda _peer: elsewhere)) as server:
            error = refusal(server.url)
    assert error.code == "redirect"
    assert f"redirects to {scheme}://localhost:{other.port}; is that a login page?" in error.message
    assert other.connections == 0


def test_a_redirect_to_another_port_is_another_server() -> None:
    with FaultServer(always(reply())) as other, FaultServer(redirecting(302, lambda _peer: other.url)) as server:
        assert refusal(server.url).code == "redirect"
    assert other.connections == 0


def test_a_redirect_from_tls_to_plain_http_is_refused(authority: Authority) -> None:
    def to_plain(peer: Peer) -> str:
        return f"http://127.0.0.1:{peer.server.port}/new/"

    with FaultServer(redirecting(302, to_plain), authority.issue("down").context()) as server:
        error = refusal(server.url, ca_path=str(authority.cert))
    assert error.code == "redirect"
    assert f"redirects to http://127.0.0.1:{server.port}" in error.message


@pytest.mark.parametrize(
    ("before", "after", "followed"),
    [
        ("http://prometheus/x", "https://prometheus/x", True),
        ("http://prometheus:80/x", "https://PROMETHEUS:443/x", True),
        ("http://prometheus/x", "https://other/x", False),
        ("http://prometheus:9090/x", "https://prometheus/x", False),
        ("https://prometheus/x", "http://prometheus/x", False),
        ("http://prometheus/x", "//other/x", False),
        ("http://prometheus/x", "file:///etc/passwd", False),
        ("http://prometheus/x", "http://prometheus@other/x", False),
        ("http://prometheus/x", "http://me:secret@prometheus/y", True),
    ],
)
def test_where_a_redirect_may_lead(before: str, after: str, *, followed: bool) -> None:
    asked = client("http://prometheus")
    if followed:
        assert "@" not in asked._target(before, after)
    else:
        with pytest.raises(QueryError, match="redirects to "):
            asked._target(before, after)


def test_a_redirect_loop_ends() -> None:
    with FaultServer(always(reply("", 302, location="/api/v1/query"))) as server:
        error = refusal(server.url)
    assert error.code == "redirect"
    assert "more than 3 times" in error.message
    assert len(server.requests) == 4


def test_the_query_and_its_parameters() -> None:
    with FaultServer(always(reply())) as server:
        asked = client(f"{server.url}/prefix/", timeout=7)
        asked.query('max by (UUID) (x{a="b,}"})', time=1700000000.5, lookback_delta=120)
        asked.query("up")
    parts = urlsplit(server.requests[0].target)
    assert (server.requests[0].method, parts.path) == ("GET", "/prefix/api/v1/query")
    assert parse_qs(parts.query) == {
        "query": ['max by (UUID) (x{a="b,}"})'],
        "time": ["1700000000.500"],
        "timeout": ["7"],
        "lookback_delta": ["120s"],
    }
    assert parse_qs(urlsplit(server.requests[1].target).query) == {"query": ["up"], "timeout": ["7"]}
    assert server.connections == 1, "the connection is kept alive"


def test_a_query_too_long_for_a_url_is_posted() -> None:
    promql = "up or " * 2000 + "up"
    with FaultServer(always(reply())) as server:
        client(server.url).query(promql)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/api/v1/query")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.body.decode())["query"] == [promql]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, None),
        ({"bearer_token": TOKEN + "\n"}, f"Bearer {TOKEN}"),
        ({"url_username": "me", "url_password": "pä:ss"}, "Basic " + base64.b64encode("me:pä:ss".encode()).decode()),
        ({"url_username": "me"}, "Basic " + base64.b64encode(b"me:").decode()),
        ({"headers": {"Authorization": "Custom x"}}, "Custom x"),
    ],
)
def test_credentials(params: dict[str, Any], expected: str | None) -> None:
    with FaultServer(always(reply())) as server:
        client(server.url, **params).query("up")
    assert server.requests[0].headers.get("authorization") == expected


def test_credentials_in_the_url_are_used_and_never_shown() -> None:
    with FaultServer(once(reply(status=500))) as server:
        error = refusal(server.url.replace("//", "//me:p%40ss@"), bearer_token=None)
    assert server.requests[0].headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert server.url in error.message
    assert "ss@" not in error.message


def test_headers_are_sent() -> None:
    with FaultServer(always(reply())) as server:
        client(server.url, headers={"X-Scope-OrgID": 7, "accept-encoding": "br"}).query("up")
    assert server.requests[0].headers["x-scope-orgid"] == "7"
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_netrc_is_never_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with FaultServer(always(reply())) as server:
        client(server.url).query("up")
    assert "authorization" not in server.requests[0].headers


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(always(reply())) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert client("http://prometheus.example:9090").query("up") == GOOD_BODY
        assert proxy.requests[0].target.startswith("http://prometheus.example:9090/api/v1/query?")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with FaultServer(always(reply())) as server:
            assert client(server.url).query("up") == GOOD_BODY
            assert len(server.requests) == 1


def test_a_proxy_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(once(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//me:proxysecret@"))
        error = refusal("https://prometheus.example")
    assert error.code == "proxy"
    assert "407" in error.message
    assert "HTTPS_PROXY" in error.message
    assert "proxysecret" not in error.message


def answers_then(answers: int, end: Callable[[Peer], None]) -> Talk:
    def talk(peer: Peer) -> None:
        for _ in range(answers):
            peer.request()
            peer.send(reply())
        if peer.server.connections == 1:
            peer.request()
            end(peer)

    return talk


@pytest.mark.parametrize("end", [Peer.reset, lambda _peer: None])
def test_a_kept_alive_connection_that_is_cut_is_opened_again_once(end: Callable[[Peer], None]) -> None:
    with FaultServer(answers_then(1, end)) as server:
        asked = client(server.url)
        assert asked.query("first") == GOOD_BODY
        assert asked.query("second") == GOOD_BODY
    assert server.connections == 2
    assert [parse_qs(urlsplit(request.target).query)["query"] for request in server.requests] == [
        ["first"],
        ["second"],
        ["second"],
    ]


def test_a_fresh_connection_that_is_cut_is_not_tried_again() -> None:
    with FaultServer(answers_then(0, Peer.reset)) as server:
        refusal(server.url)
    assert server.connections == 1


def test_a_slow_answer_is_not_asked_for_twice() -> None:
    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(reply())
        peer.request()
        peer.hang()

    with FaultServer(talk) as server:
        asked = client(server.url, timeout=0.4)
        asked.query("up")
        with pytest.raises(QueryError, match="no complete answer within"):
            asked.query("up")
    assert len(server.requests) == 2


def echo_credentials(status: int) -> Talk:
    def talk(peer: Peer) -> None:
        request = peer.request()
        peer.send(reply({"status": "error", "errorType": "bad", "error": str(request.headers)}, status))

    return talk


@pytest.mark.parametrize(
    "params",
    [
        {"bearer_token": TOKEN},
        {"bearer_token": None, "url_username": "me", "url_password": TOKEN},
        {"bearer_token": None, "headers": {"X-Api-Key": TOKEN}},
    ],
)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_secret_that_comes_back_is_not_shown(
    status: int, params: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with FaultServer(echo_credentials(status)) as server:
        asked = client(server.url, **params)
        with pytest.raises(QueryError) as caught:
            asked.query("up")
    seen = "".join([str(caught.value), repr(caught.value), repr(asked), repr(vars(asked)), caplog.text])
    assert "********" in str(caught.value)
    for form in (TOKEN, "s3cr3t", base64.b64encode(f"me:{TOKEN}".encode()).decode()):
        assert form not in seen
