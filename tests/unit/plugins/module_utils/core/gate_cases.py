"""One look of the gate as a case: few values that say all that decides, and what the gate is given for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import Problem
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate import decide
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_state import Owed, State, TenantState
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.gate_view import Decision, TargetFacts, View
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.policy import Policy, parse_policy
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import CardReading, Reading, Resident

MIB, GIB = 1 << 20, 1 << 30
TOTAL, RESERVED, MARGIN = 15 * GIB, 450 * MIB, 2 * GIB
PEAK, FLOOR, GUARD = 4 * GIB, 6 * GIB, 5 * GIB
OCR_PEAK, LLM_PEAK = 2 * GIB, 3 * GIB
OPEN = datetime(2026, 11, 21, 3, tzinfo=UTC)
CLOSED = datetime(2026, 11, 21, 6, tzinfo=UTC)
GRACE, COOL_DOWN, MIN_RUN, IDLE_GRACE, LOADING, CAP, MAX_AGE = 120, 600, 300, 900, 240, 6, 60


def gated(name: str, peak: int, floor: int) -> dict[str, object]:
    window = {"start": "02:00", "end": "06:00", "timezone": "Europe/London"}
    return {
        "name": name,
        "mode": "gated",
        "peak": peak,
        "floor": floor,
        "namespace": name,
        "card": "t4",
        "target": {"kind": "Deployment", "name": name},
        "windows": [window],
    }


@cache
def policy(
    *, enabled: bool = True, demand: bool = False, yields: bool = True, any_time: bool = False, priority: int = 0
) -> Policy:
    """Return the policy of two gated tenants, tts (the one looked at) and ocr, beside one loaded on demand."""
    extra: dict[str, object] = {"enabled": enabled, "priority": priority}
    if demand or any_time:
        extra["demand"] = {"promql": "sum(waiting)", "any_time": any_time}
    return parse_policy(
        {
            "margin": MARGIN,
            "cards": [{"name": "t4", "total": TOTAL}],
            "tenants": [
                {"name": "llm", "mode": "on_demand", "peak": LLM_PEAK, "namespace": "llm", "card": "t4"},
                {**gated("tts", PEAK, FLOOR), "may_yield": yields},
                gated("ocr", OCR_PEAK, OCR_PEAK + MARGIN),
            ],
            "gate": {
                "tick": "5s",
                "blind_grace": f"{GRACE}s",
                "cool_down": f"{COOL_DOWN}s",
                "min_run": f"{MIN_RUN}s",
                "idle_grace": f"{IDLE_GRACE}s",
                "loading_timeout": f"{LOADING}s",
                "max_age": f"{MAX_AGE}s",
                "max_transitions_per_hour": CAP,
                "tenants": {"tts": extra},
            },
        }
    )


@dataclass(frozen=True)
class Case:
    """Times are seconds before now, sizes bytes. ``replicas`` None: the API server says nothing of tts.

    ``owed`` names the tenant that left a GiB behind, or says that what was owed is "paid".
    """

    open: bool = True
    enabled: bool = True
    yields: bool = True
    blind: str = ""
    replicas: int | None = 0
    pods: int = 0
    ready: bool = False
    attributable: bool = True
    own: int = 0
    free: int = 12 * GIB
    llm: int = 0
    target: int | None = None
    seen: float | None = 5
    cool: float = 0
    admitted: float | None = None
    unready: float | None = None
    changed: float | None = None
    turns: int = 0
    asked: bool = False
    any_time: bool = False
    demand: float | None = None
    idle: float | None = None
    ocr: str = ""
    priority: int = 0
    owed: str = ""

    @property
    def now(self) -> datetime:
        return OPEN if self.open else CLOSED

    @property
    def ocr_live(self) -> int:
        return {"": 0, "unknown": 0, "loading": 0, "running": GIB, "loaded": OCR_PEAK, "draining": GIB}[self.ocr]

    @property
    def nameless(self) -> int:
        """Return what is in use without a name."""
        return TOTAL - RESERVED - self.free - self.llm - self.own - self.ocr_live

    def ago(self, seconds: float | None) -> float | None:
        return None if seconds is None else self.now.timestamp() - seconds

    def state(self) -> State:
        now = self.now.timestamp()
        tts = TenantState(
            target=self.target,
            changed_at=self.ago(self.changed),
            cool_down_until=now + self.cool if self.cool else None,
            seen_at=self.ago(self.seen),
            idle_since=self.ago(self.idle),
            admitted_at=self.ago(self.admitted),
            loading_since=self.ago(self.unready),
            transitions=tuple(now - 60 - number for number in range(self.turns)),
        )
        running = self.ocr not in ("", "draining")
        ocr = TenantState(target=int(running), seen_at=now - 5, admitted_at=now - 60 if running else None)
        level = max(0, self.nameless - (0 if self.owed == "paid" else GIB))
        owed = {"tts" if self.owed == "paid" else self.owed: Owed("t4", level)} if self.owed else {}
        return State({"tts": tts, "ocr": ocr}, owed=owed)

    def reading(self) -> Reading:
        if self.blind == "problem":
            return Reading(problems=(Problem("unreachable", "Prometheus did not answer"),))
        card = CardReading(
            name="other" if self.blind == "card" else "t4",
            uuid=None,
            node=None,
            model="",
            total_bytes=TOTAL,
            used_bytes=TOTAL - RESERVED - self.free,
            free_bytes=self.free,
            reserved_bytes=RESERVED,
            age_seconds=MAX_AGE + 1 if self.blind == "old" else MAX_AGE,
            profile=None,
            total_source="measured",
        )
        held = {"llm": self.llm, "tts": self.own, "ocr": self.ocr_live}
        residents = tuple(Resident("t4", name, name, f"{name}-0", used, used) for name, used in held.items() if used)
        return Reading(cards=(card,), residents=residents, tenant_cards={"llm": "t4", "tts": "t4", "ocr": "t4"})

    def view(self) -> View:
        tts = (
            None
            if self.replicas is None
            else TargetFacts(self.replicas, self.pods, self.ready, self.attributable, self.demand)
        )
        ocr = {
            "": TargetFacts(0, 0, ready=False),
            "unknown": None,
            "loading": TargetFacts(1, 1, ready=False),
            "running": TargetFacts(1, 1, ready=True),
            "loaded": TargetFacts(1, 1, ready=True),
            "draining": TargetFacts(0, 1, ready=False),
        }[self.ocr]
        taken = self.now
        if self.blind in ("late", "early"):
            taken = self.now + timedelta(seconds=MAX_AGE + 1) * (-1 if self.blind == "late" else 1)
        return View(self.reading(), taken, {"tts": tts, "ocr": ocr})

    def policy(self) -> Policy:
        return policy(
            enabled=self.enabled, demand=self.asked, yields=self.yields, any_time=self.any_time, priority=self.priority
        )

    def decide(self) -> tuple[Decision, TenantState]:
        """Return the decision on tts and what is remembered of it."""
        decision, state = self.look()
        return decision, state.of("tts")

    def look(self) -> tuple[Decision, State]:
        """Return the decision on tts and the state."""
        decisions, state = decide(self.policy(), self.view(), self.now, self.state())
        return next(decision for decision in decisions if decision.tenant == "tts"), state

    def but(self, **change: Any) -> Case:
        return replace(self, **change)
