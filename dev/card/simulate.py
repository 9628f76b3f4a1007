"""The state of the cards at one instant: a pure function of scenario, pods, overrides and time. Sizes in MiB."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from .load import Override, is_awake, wanted_mib
from .scenario import FixedPod, Host, Match

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .pods import Held, Pod
    from .scenario import Card, Scenario, Workload

_FIRST_PID, _PIDS = 2_000, 4_190_000


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the control has changed: of the scenario's workloads some are `removed`, others are `added`, since when."""

    of: Mapping[str, Override] = field(default_factory=dict)
    added: tuple[tuple[Workload, float], ...] = ()
    removed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    name: str
    mib: int


@dataclass(frozen=True, slots=True)
class Resident:
    """One pod or process group on a card. Without `pod` it is a process of the host; `leaked` is what a gone pod left.

    It `wanted_mib`, and got `used_mib`: less where the card was full.
    """

    workload: Workload
    uid: str
    namespace: str
    pod: str
    container: str
    slices: int
    started_at: float
    awake: bool
    leaked: bool
    wanted_mib: int
    used_mib: int
    processes: tuple[Process, ...] = ()


@dataclass(frozen=True, slots=True)
class CardState:
    card: Card
    used_mib: int
    free_mib: int
    residents: tuple[Resident, ...]


@dataclass(frozen=True, slots=True)
class _Claim:
    workload: Workload
    uid: str
    namespace: str
    pod: str
    container: str
    slices: int
    started_at: float
    gone_at: float | None = None


def simulate(
    scenario: Scenario, booted_at: float, ledger: Mapping[str, Held], overrides: Overrides, now: float
) -> tuple[CardState, ...]:
    """State of every card. What does not need a pod of the API server runs since `booted_at`."""
    kept = [workload for workload in scenario.workloads if workload.name not in overrides.removed]
    alive = [*((workload, booted_at) for workload in kept), *overrides.added]
    claims = [*_standing(alive), *_followed([workload for workload, _ in alive], ledger.values())]
    claims.sort(key=lambda claim: (claim.started_at, claim.namespace, claim.pod))
    return tuple(_card_state(card, claims, overrides.of, now) for card in scenario.cards)


def _standing(alive: Iterable[tuple[Workload, float]]) -> Iterable[_Claim]:
    for workload, since in alive:
        if isinstance(workload.place, FixedPod):
            place = workload.place
            yield _Claim(workload, workload.name, place.namespace, place.pod, place.container, place.slices, since)
        elif isinstance(workload.place, Host):
            yield _Claim(workload, workload.name, "", "", "", 0, since)


def _followed(workloads: list[Workload], held: Iterable[Held]) -> Iterable[_Claim]:
    for entry in held:
        pod = entry.pod
        workload = next((workload for workload in workloads if _matches(workload, pod)), None)
        if workload is not None:
            names = pod.namespace, pod.name, pod.container
            yield _Claim(workload, pod.uid, *names, pod.slices, pod.started_at, entry.gone_at)


def _matches(workload: Workload, pod: Pod) -> bool:
    match = workload.place
    return (
        isinstance(match, Match)
        and match.namespace.fullmatch(pod.namespace) is not None
        and match.pod.fullmatch(pod.name) is not None
        and (match.node is None or match.node.fullmatch(pod.node) is not None)
    )


def _card_state(card: Card, claims: Iterable[_Claim], changed: Mapping[str, Override], now: float) -> CardState:
    """Who came first is served first: a full card leaves the later ones with less, as cudaMalloc does."""
    room, residents, pids = card.usable_mib, [], set[int]()
    for claim in claims:
        override = changed.get(claim.workload.name, Override())
        if claim.workload.card != card.name or _has_left(claim, override, now):
            continue
        resident = _resident(claim, override, now, None if card.overcommit else room)
        resident = replace(resident, processes=_processes(resident, pids))
        room -= resident.used_mib
        residents.append(resident)
    used = card.usable_mib - room + card.unattributed_mib
    return CardState(card, used, max(0, card.total_mib - card.reserved_mib - used), tuple(residents))


def _has_left(claim: _Claim, override: Override, now: float) -> bool:
    leak = claim.workload.leak_seconds if override.leak_seconds is None else override.leak_seconds
    return claim.gone_at is not None and now >= claim.gone_at + leak


def _resident(claim: _Claim, override: Override, now: float, room: int | None) -> Resident:
    then = now if claim.gone_at is None else min(now, claim.gone_at)
    wanted = wanted_mib(claim.workload.load, override, claim.started_at, then)
    return Resident(
        workload=claim.workload,
        uid=claim.uid,
        namespace=claim.namespace,
        pod=claim.pod,
        container=claim.container,
        slices=claim.slices,
        started_at=claim.started_at,
        awake=is_awake(claim.workload.load, override, claim.started_at, then),
        leaked=claim.gone_at is not None,
        wanted_mib=wanted,
        used_mib=wanted if room is None else min(wanted, room),
    )


def _processes(resident: Resident, taken: set[int]) -> tuple[Process, ...]:
    """The share of each process, the first with the rest. One without VRAM has no context; `taken` are used pids."""
    share, rest = divmod(resident.used_mib, resident.workload.processes)
    pid = _FIRST_PID + zlib.crc32(f"{resident.uid}/{resident.started_at}".encode()) % _PIDS
    processes = []
    for number in range(resident.workload.processes if share else min(1, rest)):
        while pid in taken:
            pid += 1
        taken.add(pid)
        processes.append(Process(pid, resident.workload.process_name, share if number else share + rest))
    return tuple(processes)
