# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that break every rule: each answer becomes a code and a message with a remedy, in time."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Iterator

import pytest

from tests.unit.plugins.adapters.asking import refusal
from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, Talk, once, reply


def chunked(*chunks: bytes, encoding: str = "gzip") -> Iterator[bytes]:
    yield f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: {encoding}\r\n".encode()
    yield b"Content-Type: application/json\r\n\r\n"
    for chunk in chunks:
        yield f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"


def gzip_bomb(peer: Peer) -> None:
    peer.request()
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1 << 20)
    for part in chunked(*(packer.compress(zeros) + packer.flush(zlib.Z_SYNC_FLUSH) for _ in range(256))):
        peer.send(part)


def endless(peer: Peer) -> None:
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n")
    while True:
        peer.send(b" " * (1 << 20))


def cut_with_length(peer: Peer) -> None:
    peer.request()
    peer.send(reply()[:-10])


def cut_without_length(peer: Peer) -> None:
    peer.request()
    peer.send(b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"status": "success", "data": {"res')


def cut_chunked(peer: Peer) -> None:
    peer.request()
    for part in chunked(gzip.compress(b'{"status": "success"}')):
        peer.send(part)


def close_at_once(peer: Peer) -> None:
    peer.request()


def reset_at_once(peer: Peer) -> None:
    peer.request()
    peer.reset()


def error_body(kind: str, text: str) -> dict[str, str]:
    return {"status": "error", "errorType": kind, "error": text}


ANSWERS: list[tuple[str, Talk, str, list[str]]] = [
    ("401", once(reply("Unauthorized", 401, "text/plain")), "unauthorized", ["HTTP 401: Unauthorized", "bearer_token"]),
    ("403", once(reply({"message": "no"}, 403)), "forbidden", ["HTTP 403", '{"message": "no"}', "url_username"]),
    (
        "404 of Alertmanager",
        once(reply("404 page not found\n", 404, "text/plain")),
        "not_found",
        ["HTTP 404: 404 page not found;", "Alertmanager", "path prefix"],
    ),
    (
        "429",
        once(reply("slow down", 429, "text/plain", retry_after="30")),
        "rate_limited",
        ["Retry-After: 30", "slow down", "later"],
    ),
    (
        "500",
        once(reply("<html>boom", 500, "text/html")),
        "server_error",
        ["HTTP 500: an HTML page", "log of Prometheus"],
    ),
    ("502", once(reply("", 502, "text/html")), "server_error", ["HTTP 502"]),
    ("503 of a proxy", once(reply("no upstream", 503, "text/plain")), "server_error", ["HTTP 503: no upstream"]),
    (
        "503 of the API",
        once(reply(error_body("timeout", "query timed out"), 503)),
        "query_failed",
        ["HTTP 503: timeout: query timed out", "shorten lookback"],
    ),
    (
        "400 of the API",
        once(reply(error_body("bad_data", "parse error"), 400)),
        "query_failed",
        ["bad_data: parse error"],
    ),
    (
        "422 of the API",
        once(reply(error_body("execution", "too many samples"), 422)),
        "query_failed",
        ["execution: too many samples"],
    ),
    ("204", once(b"HTTP/1.1 204 No Content\r\n\r\n"), "http_status", ["HTTP 204: nothing"]),
    ("302 without Location", once(reply("", 302)), "http_status", ["HTTP 302"]),
    ("error in a 200", once(reply(error_body("internal", "oops"))), "query_failed", ["status error: internal: oops"]),
    (
        "HTML 200",
        once(reply("<!DOCTYPE html><title>Login</title>", media="text/html; charset=utf-8")),
        "not_prometheus",
        ["text/html", "HTML page", "login page?"],
    ),
    ("text 200", once(reply("up 1", media="text/plain")), "not_prometheus", ["text/plain, not JSON: up 1"]),
    (
        "broken JSON",
        once(reply('{"status": "success", ')),
        "bad_json",
        ['no complete JSON object: {"status": "success",'],
    ),
    ("empty 200", once(reply("")), "bad_json", ["no complete JSON object"]),
    ("JSON list", once(reply([1])), "bad_json", ["no complete JSON object: [1]"]),
    ("bare NaN", once(reply('{"status": "success", "data": NaN}')), "bad_json", ["NaN"]),
    ("bare Infinity", once(reply('{"status": "success", "data": -Infinity}')), "bad_json", ["-Infinity"]),
    ("deep JSON", once(reply("[" * 100_000)), "bad_json", ["[[["]),
    ("huge integer", once(reply('{"status": "success", "data": ' + "9" * 10_000 + "}")), "bad_json", ["9999"]),
    ("not UTF-8", once(reply(b'{"status": "succ\xff\xfe"}')), "bad_json", ["succ"]),
    ("JSON of somebody else", once(reply({"database": "ok"})), "not_prometheus", ['{"database": "ok"}', "Grafana"]),
    ("gzip bomb", gzip_bomb, "too_large", ["larger than 64 MiB"]),
    ("1 GiB", endless, "too_large", ["larger than 64 MiB"]),
    ("broken gzip", once(reply(b"not gzip", content_encoding="gzip")), "bad_encoding", ["cannot be unpacked"]),
    ("chain of encodings", once(reply(b"x", content_encoding="gzip, gzip")), "bad_encoding", ["encoding gzip, gzip"]),
    ("cut mid-body", cut_with_length, "closed", ["connection was cut"]),
    ("cut mid-body, HTTP/1.0", cut_without_length, "bad_json", ["no complete JSON object"]),
    ("cut mid-chunks", cut_chunked, "closed", ["connection was cut"]),
    ("closed without an answer", close_at_once, "closed", ["connection was cut"]),
    ("reset", reset_at_once, "closed", ["connection was cut"]),
    ("no HTTP", once(b"SSH-2.0-OpenSSH_9.2\r\n"), "not_prometheus", ["does not speak HTTP", "SSH-2.0"]),
    (
        "control characters",
        once(reply("\x1b[31mred\r\nnext\x00 {{ 7*7 }}" + "x" * 5000, 500, "text/plain")),
        "server_error",
        ["[31mred next {{ 7*7 }}", "…"],
    ),
]


@pytest.mark.parametrize(("talk", "code", "words"), [pytest.param(*case[1:], id=case[0]) for case in ANSWERS])
def test_a_bad_answer_becomes_a_reason(talk: Talk, code: str, words: list[str]) -> None:
    started = time.monotonic()
    with FaultServer(talk) as server:
        error = refusal(server.url)
    assert time.monotonic() - started < 8
    assert error.code == code
    assert f"prometheus_url {server.url}: " in error.message
    for word in words:
        assert word in error.message
