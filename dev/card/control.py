"""The control: what a test or a person may do to the card while it runs. One function an action, JSON in, JSON out."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from .exporters import EXPORTERS
from .fields import Fields, ScenarioError
from .parse import parse_growth, parse_workload
from .scenario import MIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from .load import Override
    from .machine import Machine
    from .simulate import CardState, Resident

_DEFAULT_SLOW_SECONDS = 5.0


def act(machine: Machine, action: str, body: object) -> dict[str, Any]:
    """Do one action. Raises `ScenarioError`, before anything has changed."""
    if action not in ACTIONS:
        raise ScenarioError("control", action, "is not an action", tuple(ACTIONS))
    ACTIONS[action](machine, Fields(body, action))
    return {"done": action}


def index() -> dict[str, Any]:
    """What there is to do: actions, and the faults of each exporter."""
    return {
        "actions": list(ACTIONS),
        "exporters": {
            name: {"faults": exporter.faults, **asdict(exporter.defaults)} for name, exporter in EXPORTERS.items()
        },
    }


def dump(machine: Machine) -> dict[str, Any]:
    """The truth about the cards, whatever the exporters say. Sizes in bytes, times in Unix seconds."""
    speakers = machine.speakers()
    return {
        "now": machine.now(),
        "watch": asdict(machine.watch),
        "cards": [_card(state) for state in machine.cards()],
        "workloads": sorted(machine.workloads()),
        "exporters": {name: {"fault": one.fault, **asdict(one.settings)} for name, one in speakers.items()},
    }


def _wake(machine: Machine, body: Fields) -> None:
    name = _sleeper(machine, body)
    on_demand = machine.workloads()[name].load.on_demand
    seconds = body.number("seconds", on_demand.awake_seconds if on_demand else 0, above_zero=True)
    body.done()
    machine.change_workload(name, lambda override, now: replace(override, awake_until=now + seconds))


def _sleep(machine: Machine, body: Fields) -> None:
    name = _sleeper(machine, body)
    body.done()
    machine.change_workload(name, lambda override, now: replace(override, awake_until=None, slept_at=now))


def _set(machine: Machine, body: Fields) -> None:
    """Idle size, growth (counted from now on, instead of the scenario's) and leak, each where it is given."""
    name = body.choice("workload", sorted(machine.workloads()))
    growth = body.group("growth")
    told: dict[str, Any] = {}
    if "idle" in body:
        told["idle_mib"] = body.size("idle")
    if "leak_seconds" in body:
        told["leak_seconds"] = body.number("leak_seconds")
    if growth is not None:
        told["growth"] = parse_growth(growth)
    body.done()
    if not told:
        raise ScenarioError("set", name, "is not changed; give at least one of idle, growth, leak_seconds")

    def change(override: Override, now: float) -> Override:
        since = now if growth is not None else override.growth_since
        return replace(override, **told, growth_since=since)

    machine.change_workload(name, change)


def _add(machine: Machine, body: Fields) -> None:
    machine.add(parse_workload(body, [card.name for card in machine.scenario.cards]))


def _remove(machine: Machine, body: Fields) -> None:
    name = body.choice("workload", sorted(machine.workloads()))
    body.done()
    machine.remove(name)


def _fault(machine: Machine, body: Fields) -> None:
    exporter = body.choice("exporter", tuple(EXPORTERS))
    fault = body.choice("fault", EXPORTERS[exporter].faults)
    seconds = body.number("seconds", _DEFAULT_SLOW_SECONDS, above_zero=True) if fault == "slow" else 0.0
    body.done()
    machine.set_fault(exporter, fault, seconds)


def _configure(machine: Machine, body: Fields) -> None:
    """Settings of an exporter; those that are not given stay."""
    exporter = body.choice("exporter", tuple(EXPORTERS))
    settings = body.group("settings")
    body.done()
    if settings is None:
        raise ScenarioError("configure", "settings", "is missing", tuple(asdict(EXPORTERS[exporter].defaults)))
    machine.configure(exporter, settings)


def _reset(machine: Machine, body: Fields) -> None:
    body.done()
    machine.reset()


ACTIONS: dict[str, Callable[[Machine, Fields], None]] = {
    "wake": _wake,
    "sleep": _sleep,
    "set": _set,
    "add": _add,
    "remove": _remove,
    "fault": _fault,
    "configure": _configure,
    "reset": _reset,
}


def _sleeper(machine: Machine, body: Fields) -> str:
    sleepers = [name for name, workload in machine.workloads().items() if workload.load.on_demand is not None]
    return body.choice("workload", sorted(sleepers))


def _card(state: CardState) -> dict[str, Any]:
    card = state.card
    return {
        "name": card.name,
        "uuid": card.uuid,
        "node": card.node,
        "model": card.model,
        "total_bytes": card.total_mib * MIB,
        "reserved_bytes": card.reserved_mib * MIB,
        "unattributed_bytes": card.unattributed_mib * MIB,
        "used_bytes": state.used_mib * MIB,
        "free_bytes": state.free_mib * MIB,
        "residents": [_resident(resident) for resident in state.residents],
    }


def _resident(resident: Resident) -> dict[str, Any]:
    return {
        "workload": resident.workload.name,
        "namespace": resident.namespace,
        "pod": resident.pod,
        "container": resident.container,
        "awake": resident.awake,
        "leaked": resident.leaked,
        "started_at": resident.started_at,
        "wanted_bytes": resident.wanted_mib * MIB,
        "used_bytes": resident.used_mib * MIB,
        "processes": [{"pid": one.pid, "name": one.name, "bytes": one.mib * MIB} for one in resident.processes],
    }
