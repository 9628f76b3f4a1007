"""Exporters' pages read directly: what a page does not say any more is missed, as a store would miss it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import Plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.options import Options
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import Reading
from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.exporters import Exporters
from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, reply

NOW = 1_780_000_000.0
WARM = {"name": "stt", "mode": "warm", "peak": "1Gi", "namespace": "stt", "card": "GPU-a"}


def page(*uuids: str, used: int = 2048) -> str:
    """Return dcgm-exporter's page about these cards (MiB)."""
    facts = {"USED": used, "FREE": 14910 - used, "RESERVED": 450}
    return "".join(
        f'DCGM_FI_DEV_FB_{fact}{{UUID="{uuid}",gpu="{number}"}} {mib}\n'
        for number, uuid in enumerate(uuids)
        for fact, mib in facts.items()
    )


class Source:
    """An exporter whose page may change, and the gate's reader of it."""

    def __init__(self) -> None:
        self.page = page("GPU-a", "GPU-b")
        self.exporters = Exporters([], timeout=5)

    def talk(self, peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(reply(self.page, media="text/plain"))

    def codes(self, plan: Plan, after: float = 0) -> list[str]:
        return [problem.code for problem in self.read(plan, after).problems]

    def read(self, plan: Plan, after: float = 0) -> Reading:
        return self.exporters.read(plan, Options(lookback=0), NOW + after)


@pytest.fixture
def source() -> Iterator[Source]:
    found = Source()
    with FaultServer(found.talk) as server:
        found.exporters = Exporters([f"{server.url}/metrics"], timeout=5)
        yield found


UNDECLARED = parse_plan({"tenants": [WARM]})
DECLARED = parse_plan({"cards": [{"name": "a", "uuid": "GPU-a"}], "tenants": [{**WARM, "card": "a"}]})


def test_a_card_that_is_gone_is_missed_where_the_plan_names_no_cards(source: Source) -> None:
    assert [card.uuid for card in source.read(UNDECLARED).cards] == ["GPU-a", "GPU-b"]
    source.page = page("GPU-a")
    assert source.codes(UNDECLARED, 60) == ["card_missing"]
    assert source.codes(UNDECLARED, 899) == ["card_missing"], "saying so once does not end it"
    assert source.codes(UNDECLARED, 901) == [], "a card that was taken out is not missed for ever"


def test_a_card_that_comes_back_is_there_again(source: Source) -> None:
    source.read(UNDECLARED)
    source.page = page("GPU-a")
    assert source.codes(UNDECLARED, 5) == ["card_missing"]
    source.page = page("GPU-b", "GPU-a")
    assert source.codes(UNDECLARED, 10) == []


def test_a_plan_that_names_its_cards_misses_no_other(source: Source) -> None:
    assert source.codes(DECLARED) == []
    source.page = page("GPU-a")
    assert source.codes(DECLARED, 5) == []
    source.page = page("GPU-b")
    assert source.codes(DECLARED, 10) != []


def pods(held: int) -> str:
    """Return gpu-pod-exporter's page about a pod that holds so much (MiB)."""
    labels = 'namespace="stt",pod="stt-0",container="main",process_name="python",pid="1"'
    return f"gpu_pod_memory_used_bytes{{{labels}}} {held << 20}\n"


@pytest.mark.parametrize(("second", "codes"), [(6144, []), (2048, ["contradiction"])])
def test_pages_that_contradict_each_other_are_read_once_more(second: int, codes: list[str]) -> None:
    used = iter((2048, second))

    def card(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(reply(page("GPU-a", used=next(used)), media="text/plain"))

    def resident(peer: Peer) -> None:
        while True:
            peer.request()
            peer.send(reply(pods(6000), media="text/plain"))

    with FaultServer(card) as cards, FaultServer(resident) as residents:
        exporters = Exporters([f"{server.url}/metrics" for server in (cards, residents)], timeout=5)
        reading = exporters.read(DECLARED, Options(lookback=0), NOW)
        assert [problem.code for problem in reading.problems] == codes
        assert len(cards.requests) == len(residents.requests) == 2


def test_the_same_card_by_another_spelling_is_the_same(source: Source) -> None:
    source.read(UNDECLARED)
    source.page = page("gpu-A", "GPU-B")
    assert source.codes(parse_plan({"tenants": [{**WARM, "card": "gpu-A"}]}), 5) == []
