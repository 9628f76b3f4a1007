"""What must hold for every plan and every reading."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.result import result
from tests.unit.plugins.module_utils.core.pages import Card, Page, Store, dcgm, gpu_pod_exporter, pod_peaks
from tests.unit.plugins.module_utils.core.t4 import PLAN, judged

SPACES = ("portal-stt", "immich", "frigate", "android", "llama-swap", "tts", "alien", "unknown")
ON_DOUBT = {"undeclared_resident": "fail", "no_room_when_all_wake": "fail"}
SIZES = st.integers(1, 9000)


@dataclass(frozen=True)
class World:
    """A plan's peaks, a floor, who holds what, what was seen, and what the card has (MiB)."""

    peaks: tuple[int, ...]
    floor: int
    held: tuple[int, ...]
    seen: tuple[int, ...]
    unnamed: int
    total: int
    knows_card: bool

    def plan(self) -> dict[str, Any]:
        plan = deepcopy(PLAN)
        plan["cards"] = [{"name": "t4", **({} if self.knows_card else {"total": f"{self.total}Mi"})}]
        for tenant, peak in zip(plan["tenants"], self.peaks, strict=True):
            tenant["peak"] = f"{peak}Mi"
        plan["tenants"][5]["floor"] = f"{self.floor}Mi"
        return plan

    def store(self) -> Store:
        holders = [(space, f"{space}-1", float(size)) for space, size in zip(SPACES, self.held, strict=True) if size]
        seen = [(space, f"{space}-1", float(size)) for space, size in zip(SPACES, self.seen, strict=True) if size]
        card = Card(used=sum(self.held) + self.unnamed, total=self.total)
        pods: list[Page] = [gpu_pod_exporter(*holders)]
        return Store([dcgm(card), *pods] if self.knows_card else pods, peaks=pod_peaks(*seen))

    def is_safe(self, levels: dict[str, str] | None = None) -> bool:
        if any(peak > self.total for peak in self.peaks) and not self.knows_card:
            return False
        return judged(self.store(), self.plan(), ON_DOUBT if levels is None else levels)[0].safe

    def worst_case(self) -> int:
        parsed = parse_plan(self.plan())
        _verdict, reading = judged(self.store(), self.plan())
        return int(result(parsed, reading)["worst_case_bytes"].get("t4", 1 << 62)) if not reading.problems else 1 << 62


def eight(first: st.SearchStrategy[int], largest: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.tuples(first, *[st.just(0) | st.integers(1, largest)] * 7)


WORLDS = st.builds(
    World,
    peaks=st.tuples(*[st.integers(1, 3500)] * 6),
    floor=st.integers(2049, 9000),
    # An exporter of pods alone that names nobody may be broken: that is blind, and more residents do cure it.
    held=eight(st.integers(1, 1500), 1500),
    seen=eight(st.just(0) | st.integers(1, 2500), 2500),
    unnamed=st.integers(0, 600),
    total=st.integers(12000, 40000),
    knows_card=st.booleans(),
)


def more(sizes: tuple[int, ...], number: int, size: int) -> tuple[int, ...]:
    return tuple(old + size * (index == number) for index, old in enumerate(sizes))


@settings(max_examples=150)
@given(WORLDS, st.integers(0, 7), SIZES)
def test_more_held_never_makes_it_safe(world: World, who: int, size: int) -> None:
    worse = replace(world, held=more(world.held, who, size))
    assert world.is_safe() or not worse.is_safe()


@settings(max_examples=100)
@given(WORLDS, st.integers(0, 7), SIZES)
def test_more_seen_never_makes_it_safe(world: World, who: int, size: int) -> None:
    worse = replace(world, seen=more(world.seen, who, size))
    assert world.is_safe() or not worse.is_safe()


@settings(max_examples=100)
@given(WORLDS, st.integers(0, 5), SIZES)
def test_a_larger_declared_peak_never_makes_it_safe(world: World, who: int, size: int) -> None:
    """But for `over_budget`, whose remedy is to declare what is really taken."""
    levels = {**ON_DOUBT, "over_budget": "off"}
    worse = replace(world, peaks=more(world.peaks, who, size))
    assert world.is_safe(levels) or not worse.is_safe(levels)


@settings(max_examples=100)
@given(WORLDS, SIZES)
def test_a_larger_card_never_makes_it_unsafe(world: World, size: int) -> None:
    larger = replace(world, total=world.total + size)
    assert larger.is_safe() or not world.is_safe()


@settings(max_examples=100)
@given(WORLDS, SIZES)
def test_somebody_undeclared_never_lowers_the_worst_case(world: World, size: int) -> None:
    assert replace(world, held=more(world.held, 6, size)).worst_case() >= world.worst_case()


@settings(max_examples=60)
@given(WORLDS, st.randoms(use_true_random=False))
def test_the_order_of_series_and_tenants_does_not_matter(world: World, random: Any) -> None:
    def outcome(store: Store, plan: dict[str, Any]) -> Any:
        verdict, reading = judged(store, plan)
        found = result(parse_plan(plan), reading, verdict)
        return {
            key: found[key] for key in ("safe", "cards", "residents", "floors", "worst_case_bytes", "headroom_bytes")
        }

    plan, store = world.plan(), world.store()
    shuffled = deepcopy(plan)
    random.shuffle(shuffled["tenants"])
    answers = list(store.peaks)
    random.shuffle(answers)
    mixed = []
    for page in store.pages:
        series = list(page.series)
        random.shuffle(series)
        mixed.append(replace(page, series=tuple(series)))
    random.shuffle(mixed)
    assert outcome(store, plan) == outcome(Store(mixed, peaks=answers), shuffled)


@settings(max_examples=60)
@given(WORLDS)
def test_a_safe_plan_has_room(world: World) -> None:
    verdict, reading = judged(world.store(), world.plan(), ON_DOUBT)
    if verdict.safe:
        parsed = parse_plan(world.plan())
        assert result(parsed, reading)["headroom_bytes"]["t4"] >= 0
        assert all(f["configured_bytes"] >= f["needed_bytes"] for f in result(parsed, reading)["floors"].values())
