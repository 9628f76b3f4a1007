"""The cards at one instant: tables for the load of a workload, properties for what holds on every card."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dev.card.load import Override, wanted_mib
from dev.card.pods import Held, Pod
from dev.card.scenario import Card, FixedPod, Growth, Host, Load, Match, OnDemand, Points, Scenario, Sine, Workload
from dev.card.simulate import Overrides, simulate

BOOT = 1_000_000.0


def card(name: str = "t4", *, total: int = 15360, overcommit: bool = False) -> Card:
    return Card(name, "gpu-1", f"GPU-{name}", "Tesla T4", 0, total, 450, 16, "580.95.05", overcommit=overcommit)


def pod(name: str = "speaches-1", *, namespace: str = "stt", node: str = "gpu-1", started_at: float = BOOT) -> Pod:
    return Pod(f"uid-{name}", namespace, name, node, "main", 1, started_at, running=True, ready=True, terminating=False)


STT = Workload("stt", "t4", Match(re.compile("stt"), re.compile("speaches-.*")), Load(1536))
WAKING = Load(10, on_demand=OnDemand(4455, 600.0))
SCHEDULED = Load(10, on_demand=OnDemand(4455, 60.0, first_seconds=120.0, every_seconds=300.0))


@pytest.mark.parametrize(
    ("load", "override", "age", "mib"),
    [
        pytest.param(Load(1536), Override(), 0, 1536, id="idle"),
        pytest.param(Load(1536, load_delay_seconds=30), Override(), 29, 0, id="still loading"),
        pytest.param(Load(1536, load_delay_seconds=30), Override(), 30, 1536, id="loaded"),
        pytest.param(Load(100, curve=Sine(64, 600.0)), Override(), 0, 100, id="sine begins at idle"),
        pytest.param(Load(100, curve=Sine(64, 600.0)), Override(), 300, 164, id="sine at its top"),
        pytest.param(Load(100, curve=Sine(64, 600.0)), Override(), 600, 100, id="sine is back"),
        pytest.param(Load(0, curve=Points(((0.0, 0), (60.0, 100), (120.0, 0)))), Override(), 30, 50, id="on a line"),
        pytest.param(Load(0, curve=Points(((0.0, 0), (60.0, 100), (120.0, 0)))), Override(), 60, 100, id="on a point"),
        pytest.param(Load(0, curve=Points(((0.0, 0), (60.0, 100), (120.0, 0)))), Override(), 150, 50, id="repeats"),
        pytest.param(Load(100, growth=Growth(10, 1000)), Override(), 90, 115, id="grows"),
        pytest.param(Load(100, growth=Growth(10, 130)), Override(), 6000, 130, id="grows to its cap"),
        pytest.param(Load(100, growth=Growth(10, 50)), Override(), 6000, 100, id="a cap below idle takes nothing away"),
        pytest.param(Load(100, growth=Growth(10, 1000)), Override(idle_mib=500), 60, 510, id="set"),
        pytest.param(
            Load(100), Override(growth=Growth(60, 1000), growth_since=BOOT + 60), 90, 130, id="grows since told"
        ),
        pytest.param(WAKING, Override(), 60, 10, id="asleep"),
        pytest.param(WAKING, Override(awake_until=BOOT + 61), 60, 4455, id="woken"),
        pytest.param(WAKING, Override(awake_until=BOOT + 60), 60, 10, id="asleep again"),
        pytest.param(WAKING, Override(idle_mib=5000, awake_until=BOOT + 61), 60, 5000, id="peak is no ceiling"),
        pytest.param(SCHEDULED, Override(), 119, 10, id="before its first time"),
        pytest.param(SCHEDULED, Override(), 120, 4455, id="its first time"),
        pytest.param(SCHEDULED, Override(), 180, 10, id="after its first time"),
        pytest.param(SCHEDULED, Override(), 450, 4455, id="its second time"),
        pytest.param(SCHEDULED, Override(slept_at=BOOT + 125), 130, 10, id="put to sleep"),
        pytest.param(SCHEDULED, Override(slept_at=BOOT + 125), 430, 4455, id="next time although put to sleep once"),
    ],
)
def test_a_workload_wants(load: Load, override: Override, age: float, mib: int) -> None:
    assert wanted_mib(load, override, BOOT, BOOT + age) == mib


@given(
    idle=st.integers(0, 9000),
    rate=st.integers(0, 500),
    cap=st.integers(0, 9000),
    ages=st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)).map(sorted),
)
def test_growth_never_shrinks_and_ends_at_its_cap(idle: int, rate: int, cap: int, ages: list[float]) -> None:
    load = Load(idle, growth=Growth(rate, cap))
    early, late = (wanted_mib(load, Override(), BOOT, BOOT + age) for age in ages)
    assert idle <= early <= late <= max(idle, cap)


def residents(ledger: dict[str, Held], overrides: Overrides | None = None, now: float = BOOT + 60) -> list[str]:
    (state,) = simulate(Scenario((card(),), (STT,)), BOOT, ledger, overrides or Overrides(), now)
    return [f"{one.namespace}/{one.pod} {one.used_mib}" for one in state.residents]


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (pod(), ["stt/speaches-1 1536"]),
        (pod(namespace="stt-two"), []),
        (pod("my-speaches-1"), []),
        (pod(namespace="xstt"), []),
    ],
)
def test_namespace_and_name_match_as_a_whole(seen: Pod, found: list[str]) -> None:
    assert residents({seen.uid: Held(seen)}) == found


def test_a_node_may_be_matched_too() -> None:
    match = Match(re.compile("stt"), re.compile(".*"), re.compile("gpu-1"))
    scenario = Scenario((card(),), (Workload("stt", "t4", match, Load(1)),))
    ledger = {one.uid: Held(one) for one in (pod("a", node="gpu-1"), pod("b", node="gpu-2"))}
    (state,) = simulate(scenario, BOOT, ledger, Overrides(), BOOT)
    assert [one.pod for one in state.residents] == ["a"]


@pytest.mark.parametrize(("leak", "after", "found"), [(0, 0, 0), (30, 0, 1), (30, 29.9, 1), (30, 30, 0)])
def test_vram_of_a_gone_pod_stays_as_long_as_it_leaks(leak: float, after: float, found: int) -> None:
    overrides = Overrides(of={"stt": Override(leak_seconds=leak)})
    assert len(residents({"u": Held(pod(), gone_at=BOOT + 10)}, overrides, BOOT + 10 + after)) == found


def test_leaked_vram_does_not_grow_any_more() -> None:
    growing = replace(STT, load=Load(100, growth=Growth(60, 9000)), leak_seconds=3600)
    ledger = {"u": Held(pod(), gone_at=BOOT + 60)}
    (state,) = simulate(Scenario((card(),), (growing,)), BOOT, ledger, Overrides(), BOOT + 600)
    assert [(one.used_mib, one.leaked) for one in state.residents] == [(160, True)]


def test_the_last_to_come_gets_what_is_left() -> None:
    early = Workload("early", "t4", Host(), Load(14000))
    scenario = Scenario((card(),), (early, STT))
    (state,) = simulate(scenario, BOOT, {"u": Held(pod(started_at=BOOT + 5))}, Overrides(), BOOT + 60)
    assert [(one.workload.name, one.wanted_mib, one.used_mib) for one in state.residents] == [
        ("early", 14000, 14000),
        ("stt", 1536, 15360 - 450 - 16 - 14000),
    ]
    assert state.free_mib == 0


def test_the_pod_that_started_first_is_served_first() -> None:
    workload = replace(STT, load=Load(10_000))
    late, early = pod("speaches-late", started_at=BOOT + 9), pod("speaches-early", started_at=BOOT + 5)
    (state,) = simulate(
        Scenario((card(),), (workload,)), BOOT, {"late": Held(late), "early": Held(early)}, Overrides(), BOOT + 60
    )
    assert {one.pod: one.used_mib for one in state.residents} == {"speaches-early": 10_000, "speaches-late": 4894}


def test_only_a_card_that_may_be_overcommitted_holds_more_than_it_has() -> None:
    scenario = Scenario((card(overcommit=True),), (Workload("a", "t4", Host(), Load(20000)),))
    (state,) = simulate(scenario, BOOT, {}, Overrides(), BOOT)
    assert (state.used_mib, state.free_mib) == (20016, 0)


def test_removed_is_gone_and_added_begins_when_it_came() -> None:
    fixed = Workload("other", "t4", FixedPod("n", "p", "c"), Load(100, load_delay_seconds=10))
    overrides = Overrides(added=((fixed, BOOT + 60),), removed=frozenset({"stt"}))
    assert residents({"u": Held(pod())}, overrides, BOOT + 69) == ["n/p 0"]
    assert residents({"u": Held(pod())}, overrides, BOOT + 70) == ["n/p 100"]


LOADS = st.builds(
    Load,
    st.integers(0, 8000),
    st.sampled_from([0.0, 30.0]),
    st.sampled_from([None, Sine(500, 60.0), Points(((0.0, 0), (60.0, 900)))]),
    st.sampled_from([None, Growth(100, 6000)]),
    st.sampled_from([None, OnDemand(4455, 60.0, 0.0, 120.0)]),
)
PLACES: st.SearchStrategy[Host | FixedPod | Match] = st.sampled_from(
    [Host(), FixedPod("n", "p", "c"), Match(re.compile(".*"), re.compile("a.*"))]
)


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    cards = tuple(card(f"c{number}", total=draw(st.integers(500, 20000))) for number in range(draw(st.integers(1, 3))))
    workloads = tuple(
        Workload(
            f"w{number}",
            draw(st.sampled_from(cards)).name,
            draw(PLACES),
            draw(LOADS),
            processes=draw(st.integers(1, 9)),
            leak_seconds=draw(st.sampled_from([0.0, 50.0])),
        )
        for number in range(draw(st.integers(0, 6)))
    )
    return Scenario(cards, workloads)


@given(
    scenario=scenarios(),
    pods=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100), st.one_of(st.none(), st.floats(100, 200)))),
    after=st.floats(0, 1000),
)
def test_every_card_adds_up(scenario: Scenario, pods: list[tuple[str, float, float | None]], after: float) -> None:
    ledger = {
        f"uid-{name}{number}": Held(
            pod(f"{name}{number}", started_at=BOOT + start), None if gone is None else BOOT + gone
        )
        for number, (name, start, gone) in enumerate(pods)
    }
    for state in simulate(scenario, BOOT, ledger, Overrides(), BOOT + after):
        assert state.free_mib + state.used_mib + state.card.reserved_mib == state.card.total_mib
        assert state.used_mib <= state.card.total_mib
        assert state.free_mib >= 0
        assert sum(one.used_mib for one in state.residents) + state.card.unattributed_mib == state.used_mib
        for one in state.residents:
            assert 0 <= one.used_mib <= one.wanted_mib
            assert sum(process.mib for process in one.processes) == one.used_mib
            assert all(process.mib > 0 for process in one.processes)
        pids = [process.pid for one in state.residents for process in one.processes]
        assert len(pids) == len(set(pids))
