"""The gate's Kubernetes client against a real socket: what it sends, what it tries again, what it makes of refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.gate import kube
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.events import Outbox
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.kube import Account, Kube, KubeError
from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, Talk, reply


def answers(*replies: bytes) -> Talk:
    """Give these answers one after the other, the last one again and again, over however many connections."""
    waiting = list(replies)

    def talk(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(waiting.pop(0) if len(waiting) > 1 else waiting[0])

    return talk


class Client:
    """A client, what it waited, and its server."""

    def __init__(self, server: FaultServer, token: Path) -> None:
        self.waits: list[float] = []
        self.server = server
        self.kube = Kube(Account(server.url, str(token), None), timeout=1, pause=self.waits.append)


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("one\n")
    return path


def status(code: int, message: str = "because", **headers: str) -> bytes:
    return reply({"kind": "Status", "message": message}, status=code, **headers)


SCALE = {"kind": "Scale", "metadata": {"uid": "u", "resourceVersion": "7"}, "spec": {"replicas": 1}}


def test_it_writes_nothing_but_the_number_of_replicas(token: Path) -> None:
    with FaultServer(answers(reply(SCALE))) as server:
        assert Client(server, token).kube.set_scale("tts", "chatterbox", 0) == SCALE
    (request,) = server.requests
    assert (request.method, request.target) == ("PATCH", "/apis/apps/v1/namespaces/tts/deployments/chatterbox/scale")
    assert request.headers["content-type"] == "application/merge-patch+json"
    assert json.loads(request.body) == {"spec": {"replicas": 0}}


def test_the_token_is_read_for_each_request(token: Path) -> None:
    with FaultServer(answers(reply(SCALE))) as server:
        kube = Client(server, token).kube
        kube.scale("tts", "a")
        token.write_text("two")
        kube.scale("tts", "a")
        token.unlink()
        with pytest.raises(KubeError) as caught:
            kube.scale("tts", "a")
    assert [request.headers["authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]
    assert (caught.value.code, caught.value.unreachable) == ("token", True)


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_busy_server_is_asked_again_after_a_wait_that_grows(token: Path, code: int) -> None:
    with FaultServer(answers(status(code), status(code), reply(SCALE))) as server:
        client = Client(server, token)
        assert client.kube.scale("tts", "a") == SCALE
    first, second = client.waits
    assert 0.2 <= first <= 0.4
    assert 0.4 <= second <= 0.8


def test_retry_after_is_kept_within_bounds(token: Path) -> None:
    with FaultServer(answers(status(429, retry_after="1"), status(429, retry_after="3600"), reply(SCALE))) as server:
        client = Client(server, token)
        client.kube.scale("tts", "a")
    assert client.waits[0] == 1
    assert client.waits[1] == 2


def test_a_look_waits_for_a_busy_server_only_so_long(token: Path) -> None:
    with FaultServer(answers(status(429, retry_after="5"))) as server:
        client = Client(server, token)
        for _ in range(2):
            client.kube.begin()
            for name in "abcd":
                with pytest.raises(KubeError):
                    client.kube.pods(name)
            assert len(server.requests) == 5, "one was tried again"
            assert client.waits == [2]
            server.requests.clear()
            client.waits.clear()


def test_when_a_look_has_lost_enough_nothing_is_asked_but_one_change(
    token: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultServer(answers(status(503), status(503), reply(SCALE))) as server:
        monkeypatch.setattr(kube, "PATIENCE", 1e-9)
        asked = Client(server, token).kube

        def refused() -> list[bool]:
            found = []
            calls = (lambda: asked.pods("a"), lambda: asked.set_scale("tts", "a", 0))
            for call in calls:
                with pytest.raises(KubeError) as caught:
                    call()
                found.append(caught.value.sent)
                assert caught.value.sent == caught.value.ambiguous, "what was not asked for was not done"
            return found

        assert refused() == [True, True]
        assert refused() == [False, False]
        asked.begin()
        for _ in range(2):
            assert asked.set_scale("tts", "a", 0) == SCALE


CASES = [
    (400, 1, False),
    (401, 1, False),
    (403, 1, False),
    (404, 1, False),
    (409, 1, False),
    (429, 3, False),
    (500, 3, True),
]


@pytest.mark.parametrize(("code", "requests", "ambiguous"), CASES)
def test_a_refusal_is_an_error_with_its_status(token: Path, code: int, requests: int, ambiguous: bool) -> None:
    with FaultServer(answers(status(code, "deployments is forbidden"))) as server:
        with pytest.raises(KubeError, match="deployments is forbidden") as caught:
            Client(server, token).kube.set_scale("tts", "a", 1)
        assert len(server.requests) == requests
    assert (caught.value.status, caught.value.code) == (code, str(code))
    assert (caught.value.ambiguous, caught.value.unreachable) == (ambiguous, False)


def test_a_server_that_is_away_is_told_apart(token: Path) -> None:
    with FaultServer(lambda _peer: None) as server:
        client = Client(server, token)
        with pytest.raises(KubeError) as caught:
            client.kube.pods("tts")
    assert caught.value.unreachable
    assert caught.value.ambiguous
    assert client.waits == []


def test_html_is_no_kubernetes(token: Path) -> None:
    with FaultServer(answers(reply("<html>", media="text/html"))) as server, pytest.raises(KubeError) as caught:
        Client(server, token).kube.pods("tts")
    assert caught.value.code == "not_kubernetes"


def test_pods_come_in_pages(token: Path) -> None:
    def page(name: str, onward: str) -> bytes:
        return reply({"metadata": {"continue": onward}, "items": [{"metadata": {"name": name}}]})

    with FaultServer(answers(page("a", "x/y=="), page("b", ""))) as server:
        pods = Client(server, token).kube.pods("tts")
    assert [pod["metadata"]["name"] for pod in pods] == ["a", "b"]
    assert [request.target for request in server.requests] == [
        "/api/v1/namespaces/tts/pods?limit=500",
        "/api/v1/namespaces/tts/pods?limit=500&continue=x%2Fy%3D%3D",
    ]


def test_the_state_is_written_only_over_what_was_read(token: Path) -> None:
    with FaultServer(answers(reply({"metadata": {"resourceVersion": "8"}}))) as server:
        Client(server, token).kube.patch_config_map("gate", "state", {"state": "{}"}, "7")
    assert json.loads(server.requests[0].body) == {"metadata": {"resourceVersion": "7"}, "data": {"state": "{}"}}


@pytest.fixture
def event() -> dict[str, Any]:
    return {"metadata": {"name": "chatterbox.1", "namespace": "tts"}}


def test_an_event_that_is_there_already_is_this_one(token: Path, event: dict[str, Any]) -> None:
    there = reply({"kind": "Status", "reason": "AlreadyExists", "message": "is there"}, status=409)
    with FaultServer(answers(there)) as server:
        Client(server, token).kube.create_event(event)
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/apis/events.k8s.io/v1/namespaces/tts/events")


@pytest.mark.parametrize("code", [403, 409])
def test_an_event_that_is_refused_is_an_error(token: Path, event: dict[str, Any], code: int) -> None:
    with FaultServer(answers(status(code))) as server, pytest.raises(KubeError):
        Client(server, token).kube.create_event(event)


def test_events_of_one_namespace_do_not_wait_for_those_of_another(token: Path) -> None:
    def talk(peer: Peer) -> None:
        while True:
            request = peer.request()
            refused = 403 if "/gate/" in request.target else 422 if b"long" in request.body else 201
            peer.send(status(refused))

    errors: list[str] = []
    with FaultServer(talk) as server:
        outbox = Outbox(Client(server, token).kube, lambda code, _message: errors.append(code))
        for name, namespace in (("a", "gate"), ("b", "gate"), ("c", "tts"), ("long", "tts"), ("d", "tts")):
            outbox.put({"metadata": {"name": name, "namespace": namespace}})
        outbox.deliver()
        assert [json.loads(request.body)["metadata"]["name"] for request in server.requests] == ["a", "c", "long", "d"]
    assert (errors, len(outbox)) == (["event_403", "event_422"], 2)
    outbox.deliver()
    assert (len(errors), len(outbox)) == (3, 2), "of a server that is away nothing more is asked"
