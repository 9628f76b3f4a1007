"""The card and the plan that the collection started from: a T4 of 15360 MiB, of which the driver keeps 450."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.checks import Check, Verdict, judge
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.declared import Plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.measure import measure
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.options import Options
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.reading import Reading
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.samples import PromQuery
from tests.plans import CARDS, STT, WINDOW, tts
from tests.unit.plugins.module_utils.core.pages import MIB, Card, Page, Store, dcgm, gpu_pod_exporter

PLAN: dict[str, Any] = {
    "margin": "2Gi",
    "cards": CARDS,
    "tenants": [
        STT,
        {"name": "immich-ml", "card": "t4", "mode": "warm", "peak": "2150Mi", "namespace": "immich"},
        {"name": "frigate", "card": "t4", "mode": "warm", "peak": "1946Mi", "namespace": "frigate"},
        {"name": "android-emulator", "card": "t4", "mode": "warm", "peak": "160Mi", "namespace": "android"},
        {"name": "llama-swap", "card": "t4", "mode": "on_demand", "peak": "4455Mi", "namespace": "llama-swap"},
        tts(windows=[{**WINDOW, "days": ["mon"]}]),
    ],
}

#: who holds what at noon: llama-swap and tts sleep, frigate is eight processes
HOLDERS: tuple[tuple[str, str, float], ...] = (
    ("portal-stt", "speaches-5d8f-abcde", 1500),
    ("immich", "immich-ml-77c9-fghij", 2150),
    *(("frigate", "frigate-6b7d-klmno", 240.0) for _process in range(8)),
    ("android", "android-emulator-9c4f-pqrst", 150),
)
HELD = 1500 + 2150 + 8 * 240 + 150
CARD = Card(used=HELD + 16)


def pages(*more: tuple[str, str, float], card: Card = CARD) -> list[Page]:
    """Return the two exporters that know the card and the pods; ``more`` holders come on top of the usual ones."""
    used = card.used + sum(mib for _namespace, _pod, mib in more)
    return [dcgm(Card(used, card.uuid, card.total, card.reserved, card.node)), gpu_pod_exporter(*HOLDERS, *more)]


def plan(**changes: Any) -> dict[str, Any]:
    """Return a copy of the plan with other top-level keys."""
    return {**deepcopy(PLAN), **changes}


def with_tenant(name: str, **changes: Any) -> dict[str, Any]:
    """Return a copy of the plan in which one tenant has other keys."""
    changed = plan()
    next(tenant for tenant in changed["tenants"] if tenant["name"] == name).update(changes)
    return changed


def read(port: PromQuery | list[Page], value: Any = None, **options: Any) -> Reading:
    return measure(
        Store(port) if isinstance(port, list) else port,
        parse_plan(plan() if value is None else value),
        Options(**options),
    )


def judged(
    port: PromQuery | list[Page], value: Any = None, levels: dict[str, str] | None = None
) -> tuple[Verdict, Reading]:
    parsed: Plan = parse_plan(plan() if value is None else value)
    reading = measure(Store(port) if isinstance(port, list) else port, parsed, Options())
    return judge(parsed, reading, levels or {}), reading


def check(verdict: Verdict, name: str) -> Check:
    return next(entry for entry in verdict.checks if entry.name == name)


def codes(reading: Reading) -> set[str]:
    return {problem.code for problem in reading.problems}


def mib(size: int) -> float:
    return size / MIB
