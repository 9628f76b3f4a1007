"""Thousands of hours of a made-up cluster: random residents, outages, clocks set, restarts, strangers, ghosts.

Three gated tenants, two of them on one card. After every look the invariants of the design are asserted from the world
as it is, not from what the gate was told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ansible_collections.sharedgpu.voice.plugins.module_utils.core import reasons
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import Problem
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate import decide
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_json import dump, load
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_state import State, lost
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import Decision, TargetFacts, View
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import CardReading, Reading, Resident
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.windows import is_open
from tests.unit.plugins.module_utils.core.gate_cases import GIB, MIB

START = datetime(2026, 3, 28, 22, tzinfo=UTC)  # the night in which London's clocks go forward
TOTAL, RESERVED, MARGIN = 24 * GIB, 450 * MIB, GIB
GRACE, COOL_DOWN, CAP, TICK = 60, 120, 4, 10
LOADING_TICKS, STOPPING_TICKS = 6, 3


def gated(name: str, card: str, peak: int, start: str, end: str) -> dict[str, Any]:
    return {
        "name": name,
        "mode": "gated",
        "peak": peak,
        "namespace": name,
        "card": card,
        "target": {"kind": "Deployment", "name": name},
        "windows": [{"start": start, "end": end, "timezone": "Europe/London"}],
    }


POLICY = parse_policy(
    {
        "margin": MARGIN,
        "cards": [{"name": "left", "node": "a", "total": TOTAL}, {"name": "right", "node": "b", "total": TOTAL}],
        "tenants": [
            {"name": "warm", "mode": "warm", "peak": 2 * GIB, "namespace": "warm", "card": "left"},
            {"name": "llm", "mode": "on_demand", "peak": 6 * GIB, "namespace": "llm", "card": "left"},
            gated("tts", "left", 4 * GIB, "22:00", "06:00"),
            gated("ocr", "left", 5 * GIB, "00:00", "24:00"),
            gated("batch", "right", 8 * GIB, "01:00", "03:00"),
        ],
        "gate": {
            "tick": "10s",
            "blind_grace": f"{GRACE}s",
            "cool_down": f"{COOL_DOWN}s",
            "max_transitions_per_hour": CAP,
            "max_age": "30s",
            "tenants": {"ocr": {"priority": 5}},
        },
    }
)
PEAKS = {tenant.name: tenant.peak_bytes for tenant in POLICY.plan.tenants}
CARDS = {tenant.name: tenant.card for tenant in POLICY.plan.tenants}
GATED = tuple(tenant.name for tenant in POLICY.tenants)


@dataclass
class Pod:
    """A gated tenant as it really is: `age` in ticks since it runs, `stopping` while it goes, `held` bytes."""

    replicas: int = 0
    age: int = 0
    stopping: int = 0
    held: int = 0
    stuck: bool = False
    leaks: bool = False
    #: a clock that was put forward ended the time that its loading may take
    overdue: bool = False

    def pass_tick(self, peak: int) -> None:
        if self.replicas:
            self.age += 1
            self.held = max(self.held, peak * min(self.age, LOADING_TICKS) // LOADING_TICKS)
        elif self.stopping and not self.stuck:
            self.stopping -= 1
            self.held = self.held if self.stopping or self.leaks else 0

    def scale(self, replicas: int) -> None:
        if self.replicas and not replicas:
            self.age, self.stopping, self.overdue = 0, STOPPING_TICKS, False
        self.replicas = replicas

    def facts(self) -> TargetFacts:
        pods = self.replicas or int(self.stopping > 0)
        return TargetFacts(self.replicas, pods, ready=self.age >= LOADING_TICKS and self.replicas > 0)


@dataclass(eq=False)
class Machine(RuleBasedStateMachine):
    """The world and its gate; a rule happens, then the gate looks."""

    now: datetime = START
    offset: timedelta = timedelta()
    pods: dict[str, Pod] = field(default_factory=lambda: {name: Pod() for name in GATED})
    held: dict[str, int] = field(default_factory=lambda: {"warm": GIB, "llm": 0})
    strangers: dict[str, int] = field(default_factory=lambda: {"left": 0, "right": 0})
    state: State = field(default_factory=State)
    blind_left: int = 0
    api_left: int = 0
    failing_left: int = 0
    blind_for: dict[str, int] = field(default_factory=lambda: dict.fromkeys(GATED, 0))
    admissions: dict[str, list[datetime]] = field(default_factory=lambda: {name: [] for name in GATED})
    started_by_others: set[str] = field(default_factory=set)
    #: VRAM that ended pods left behind, by card, and the cards on which the gate need not know of it
    ghosts: dict[str, int] = field(default_factory=lambda: {"left": 0, "right": 0})
    listed_as: str = ""
    excused: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    # --- what happens ---

    @rule(ticks=st.integers(1, 60))
    def time_passes(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick()

    @rule(hours=st.integers(1, 12))
    def hours_pass(self, hours: int) -> None:
        # Under a slow gate, so that whole nights are played.
        for _ in range(12 * hours):
            self.tick(300)

    @rule(hours=st.integers(1, 4))
    def the_gate_is_down(self, hours: int) -> None:
        # The tenants run on, and what was told stays as it was.
        self.now += timedelta(hours=hours)
        for name in GATED:
            self.pass_ticks(name, LOADING_TICKS)

    @rule(size=st.integers(0, 9), who=st.sampled_from(["warm", "llm"]))
    def a_resident_changes(self, who: str, size: int) -> None:
        self.held[who] = size * GIB
        self.tick()

    @rule(size=st.integers(0, 20), card=st.sampled_from(["left", "right"]))
    def a_stranger_changes(self, card: str, size: int) -> None:
        self.strangers[card] = size * GIB
        self.tick()

    @rule(ticks=st.integers(1, 20))
    def prometheus_fails(self, ticks: int) -> None:
        self.blind_left = ticks

    @rule(ticks=st.integers(1, 5))
    def the_api_does_not_list(self, ticks: int) -> None:
        self.api_left = ticks

    @rule(ticks=st.integers(1, 5))
    def the_api_does_not_write(self, ticks: int) -> None:
        self.failing_left = ticks

    @rule(seconds=st.sampled_from([-7200, -3600, -90, 90, 3600]))
    def the_clock_is_set(self, seconds: int) -> None:
        self.offset += timedelta(seconds=seconds)
        for pod in self.pods.values():
            pod.overdue = pod.overdue or (seconds > POLICY.gate.loading_timeout and pod.replicas > 0)
        for name in GATED:
            self.admissions[name].clear()
            # A grace may begin anew at the first look after it, and no later.
            self.blind_for[name] = -3600

    @rule(kept=st.booleans())
    def the_gate_restarts(self, kept: bool) -> None:
        if kept:
            self.state = load(json.loads(json.dumps(dump(self.state))))
        else:
            self.state = lost(GATED, self.clock.timestamp(), COOL_DOWN, CAP)
            self.excused |= {"left", "right"}

    @rule(who=st.sampled_from(GATED), replicas=st.integers(0, 3))
    def somebody_scales(self, who: str, replicas: int) -> None:
        if replicas and not self.pods[who].replicas:
            self.started_by_others.add(who)
            # It may come and go while nobody tells the gate.
            self.excused.add(CARDS[who] or "")
        self.pods[who].scale(replicas)
        self.tick()

    @rule(who=st.sampled_from(GATED), stuck=st.booleans())
    def a_pod_hangs_or_lets_go(self, who: str, stuck: bool) -> None:
        self.pods[who].stuck = stuck

    @rule(who=st.sampled_from(GATED), leaks=st.booleans())
    def a_pod_will_leave_its_vram_behind(self, who: str, leaks: bool) -> None:
        self.pods[who].leaks = leaks

    @rule(card=st.sampled_from(["left", "right"]), listed_as=st.sampled_from(["", "unknown", "host"]))
    def a_ghost_goes(self, card: str, listed_as: str) -> None:
        self.ghosts[card], self.listed_as = 0, listed_as
        self.tick()

    # --- one look ---

    @property
    def clock(self) -> datetime:
        return self.now + self.offset

    def pass_ticks(self, name: str, ticks: int) -> None:
        pod, card = self.pods[name], CARDS[name] or ""
        for _ in range(ticks):
            pod.pass_tick(PEAKS[name])
            if not pod.replicas and not pod.stopping:
                self.ghosts[card] += pod.held
                pod.held = 0

    def taken(self) -> list[tuple[str, str, int]]:
        """Return who holds what (card, name, bytes), the strangers last: they get what is left."""
        wanted = [(CARDS[name] or "", name, pod.held) for name, pod in self.pods.items()]
        wanted += [(card, "", size) for card, size in self.ghosts.items()]
        wanted += [(CARDS[name] or "", name, size) for name, size in self.held.items()]
        wanted += [(card, "stranger", size) for card, size in self.strangers.items()]
        left, found = dict.fromkeys(self.ghosts, TOTAL - RESERVED), []
        for card, name, size in wanted:
            found.append((card, name, min(size, left[card])))
            left[card] -= found[-1][2]
        return found

    def reading(self) -> Reading:
        if self.blind_left:
            return Reading(problems=(Problem("refused", "connection refused"),))
        taken = self.taken()
        used = {card: sum(size for where, _, size in taken if where == card) for card in self.ghosts}
        cards = tuple(
            CardReading(card, None, None, "", TOTAL, size, TOTAL - RESERVED - size, RESERVED, 5, None, "measured")
            for card, size in used.items()
        )
        residents = tuple(
            Resident(card, name if name in PEAKS else None, name or self.listed_as, f"{name}-0", size, size)
            for card, name, size in taken
            if size and (name or self.listed_as)
        )
        return Reading(cards=cards, residents=residents, tenant_cards={k: v for k, v in CARDS.items() if v})

    def view(self) -> View:
        facts = {name: None if self.api_left else pod.facts() for name, pod in self.pods.items()}
        return View(self.reading(), self.clock, facts)

    def tick(self, seconds: int = TICK) -> None:
        self.now += timedelta(seconds=seconds)
        for name in GATED:
            self.pass_ticks(name, min(seconds // TICK, LOADING_TICKS))
        before = self.state
        decisions, after = decide(POLICY, self.view(), self.clock, before)
        self.judge(decisions, seconds)
        if not self.blind_left and not self.api_left:
            self.judge_debts(before, after)
        kept = dict(after.tenants)
        for decision in decisions:
            self.write(decision, kept, before)
        self.state = replace(after, tenants=kept)
        self.blind_left, self.api_left, self.failing_left = (
            max(0, left - 1) for left in (self.blind_left, self.api_left, self.failing_left)
        )

    def write(self, decision: Decision, kept: dict[str, Any], before: State) -> None:
        if not decision.changed or decision.target_replicas is None:
            return
        if self.failing_left:
            kept[decision.tenant] = before.of(decision.tenant)
            return
        # Putting right what somebody else started is no change of the gate's own.
        foreign = decision.tenant in self.started_by_others
        self.started_by_others.discard(decision.tenant)
        turns = (self.pods[decision.tenant].replicas > 0) != (decision.target_replicas > 0)
        self.pods[decision.tenant].scale(decision.target_replicas)
        if turns and not foreign:
            self.admissions[decision.tenant].append(self.clock)

    # --- the invariants ---

    def judge(self, decisions: tuple[Decision, ...], seconds: int) -> None:
        assert [decision.tenant for decision in decisions] == list(GATED)
        for decision, tenant in zip(decisions, POLICY.tenants, strict=True):
            assert decision.reason in reasons.SENTENCES
            blind = max(0, self.blind_for[tenant.name] + seconds) if self.blind_left else 0
            self.blind_for[tenant.name] = blind
            if decision.target_replicas != 0:
                assert is_open(tenant.windows, self.clock), "I1, I3: outside its window"
                assert blind <= GRACE, "I1: nothing was seen for longer than the grace"
            if decision.reason == reasons.ADMITTED:
                self.judge_admission(tenant.name, decisions)

    def judge_admission(self, name: str, decisions: tuple[Decision, ...]) -> None:
        card, pod = CARDS[name], self.pods[name]
        assert not self.blind_left, "I2: admitted blind"
        assert card in self.excused or not self.ghosts[card or ""], "a card with a ghost was opened"
        assert (pod.replicas, pod.stopping, pod.held) == (0, 0, 0), "its own ghosts are there"
        others = [other for other in GATED if other != name and CARDS[other] == card]
        for other in others:
            neighbour = self.pods[other]
            assert not (neighbour.stopping and not neighbour.replicas), "somebody is on the way out"
            loaded = neighbour.age >= LOADING_TICKS or not neighbour.replicas or neighbour.overdue
            assert loaded, "somebody is loading"
        admitted = [other for other in others if self.pods[other].replicas]
        counted = sum(max(self.pods[other].held, PEAKS[other]) for other in admitted)
        counted += sum(max(size, PEAKS[who]) for who, size in self.held.items() if CARDS[who] == card)
        counted += self.strangers[card or ""] + RESERVED + PEAKS[name] + MARGIN
        assert counted <= TOTAL, "I5: the declared peaks do not fit"
        gone = {decision.tenant for decision in decisions if decision.target_replicas == 0}
        assert not gone & set(admitted), "admitted while another one leaves"

    def judge_debts(self, before: State, after: State) -> None:
        gone = {name for name, pod in self.pods.items() if not pod.replicas and not pod.stopping}
        for name, debt in after.owed.items():
            # One that is made at this look (it was stopped while nobody could see) is looked at from the next one on.
            back = name in before.owed and name in gone and not self.ghosts[debt.card]
            assert not back or debt.card in self.excused or debt.until, f"{name} gave back everything"
        for card, ghost in self.ghosts.items():
            if not ghost and all(name in gone for name in GATED if CARDS[name] == card):
                self.excused.discard(card)

    @invariant()
    def changes_are_few(self) -> None:
        for name, instants in self.admissions.items():
            last_hour = [at for at in instants if at > self.clock - timedelta(hours=1)]
            assert len(last_hour) <= CAP, f"I4: {name} changed {len(last_hour)} times within an hour"

    @invariant()
    def what_is_carried_out_stays(self) -> None:
        view = self.view()
        first, state = decide(POLICY, view, self.clock, self.state)
        done: dict[str, TargetFacts | None] = {}
        for decision in first:
            facts = view.targets[decision.tenant]
            done[decision.tenant] = facts and replace(facts, replicas=decision.target_replicas or 0)
        again, _ = decide(POLICY, View(view.reading, view.taken_at, done), self.clock, state)
        for before, after in zip(first, again, strict=True):
            if before.target_replicas == 1 or before.changed:
                assert after.target_replicas == before.target_replicas, (before, after)


Machine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    # A failure is told at once: making it small takes minutes here.
    phases=[Phase.explicit, Phase.generate],
)
TestMachine = Machine.TestCase
