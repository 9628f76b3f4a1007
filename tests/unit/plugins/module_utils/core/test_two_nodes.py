"""Two nodes with a card each: what is seen of one says nothing of the other."""

from __future__ import annotations

from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.measure import measure_cards
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.options import Options
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from tests.unit.plugins.module_utils.core.pages import Card, Page, Store, dcgm, gpu_pod_exporter
from tests.unit.plugins.module_utils.core.t4 import check, codes, judged, mib, read

A, B = Card(used=2016, uuid="GPU-a", node="gpu-1"), Card(used=5016, uuid="GPU-b", node="gpu-2")


def warm(name: str, card: str, peak: str = "6Gi") -> dict[str, Any]:
    return {"name": name, "card": card, "mode": "warm", "peak": peak, "namespace": name}


def plan(*tenants: dict[str, Any]) -> dict[str, Any]:
    cards = [{"name": "a", "node": "gpu-1", "total": "15Gi"}, {"name": "b", "node": "gpu-2", "total": "15Gi"}]
    return {"margin": "2Gi", "cards": cards, "tenants": list(tenants)}


def node(name: str, *holders: tuple[str, str, float]) -> Page:
    """The pod exporter of a node; its target's labels say which."""
    return gpu_pod_exporter(*holders, target={"node": name}, honor_labels=True, instance=f"{name}:9400")


def test_a_card_of_which_nobody_speaks_is_not_idle() -> None:
    value = plan(warm("x", "a"), warm("y", "b"))
    silent = read([node("gpu-2", ("y", "y-0", 5000))], value)
    assert codes(silent) == {"source_silent"}
    assert "card a: nobody measures it, and no series names a resident of it" in silent.problems[0].message
    both = [node("gpu-1", ("x", "x-0", 2000)), node("gpu-2", ("y", "y-0", 5000))]
    assert codes(read(both, value)) == set()


def test_what_nobody_names_on_one_node_is_not_held_on_the_other() -> None:
    pages = [
        dcgm(A, target={}),
        dcgm(B, target={}, instance="gpu-2:9400"),
        node("gpu-1", ("x", "x-0", 1000), ("unknown", "unknown", 1000)),
        node("gpu-2", ("y", "y-0", 4500), ("unknown", "unknown", 500)),
    ]
    reading = read(pages, plan(warm("x", "a"), warm("y", "b")))
    assert codes(reading) == set()
    held = {(r.card, r.namespace): mib(r.used_bytes) for r in reading.residents if r.namespace}
    assert held == {("a", "x"): 1000, ("a", "unknown"): 1000, ("b", "y"): 4500, ("b", "unknown"): 500}


def test_a_tenant_on_another_node_than_declared_explains_nothing_of_the_card_it_left() -> None:
    full = Card(used=6016, uuid="GPU-a", node="gpu-1")
    pages = [dcgm(full, target={}), dcgm(B, target={}, instance="gpu-2:9400"), node("gpu-2", ("x", "x-0", 5000))]
    verdict, reading = judged(pages, plan(warm("x", "a", peak="10Gi")))
    assert [(r.card, mib(r.used_bytes)) for r in reading.residents if r.tenant == "x"] == [("b", 5000)]
    assert mib(reading.others["a"]) == 6016, "somebody else's"
    assert not check(verdict, "overcommitted").passed


def test_a_contradiction_about_one_card_leaves_the_other_to_whoever_judges_each_alone() -> None:
    value = plan(warm("x", "a"), warm("y", "b"))
    pages = [
        dcgm(A, target={}),
        dcgm(B, target={}, instance="gpu-2:9400"),
        node("gpu-1", ("x", "x-0", 3000)),
        node("gpu-2", ("y", "y-0", 5000)),
    ]
    reading = measure_cards(Store(pages), parse_plan(value), Options())
    assert [(problem.code, problem.card) for problem in reading.problems] == [("contradiction", "a")]
    assert [(card.name, mib(card.used_bytes)) for card in reading.cards] == [("b", 5016)]
    assert {resident.card for resident in reading.residents} == {"b"}
    assert set(reading.others) == {"b"}
    verdict, whole = judged(pages, value)
    assert (verdict.safe, whole.cards, codes(whole)) == (False, (), {"contradiction"})


def test_a_pod_that_dcgm_lists_with_nothing_is_no_resident() -> None:
    pages = [dcgm(Card(used=16), pods=[("z", "z-0", 0)], mode="own")]
    verdict, _reading = judged(pages, {"tenants": [warm("x", "t4")], "cards": [{"name": "t4", "total": "15Gi"}]})
    assert check(verdict, "undeclared_resident").passed


def test_the_order_in_which_exporters_answer_decides_nothing() -> None:
    honest = gpu_pod_exporter(("x", "x-0", 1000), honor_labels=True, instance="one:1", target={"pod": "exporter-1"})
    renamed = gpu_pod_exporter(("y", "y-0", 1000), instance="two:1")
    asked = []
    for pages in ([dcgm(A, target={}), honest, renamed], [dcgm(A, target={}), renamed, honest]):
        store = Store(pages)
        read(store, {"tenants": [warm("x", "t4"), warm("y", "t4")], "cards": [{"name": "t4", "total": "15Gi"}]})
        (question,) = {promql for promql, _time, _delta in store.asked if "max_over_time" in promql}
        asked.append(question)
    assert asked[0] == asked[1]
