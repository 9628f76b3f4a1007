# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a look says, as values for playbooks and as a table for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Optional

from ..core.gate_state import TenantState
from ..core.gate_view import Decision
from ..core.policy import TenantPolicy
from ..core.quantity import format_duration, format_size
from ..core.reasons import SENTENCES
from ..core.windows import is_open, next_change
from ..gate.events import told as numbers_told
from ..gate.kube import Object

#: what is told together: the room that there is, and the levels that it is compared with
_ROOM = ("room_to_enter_bytes", "room_to_stay_bytes", "floor_bytes", "guard_bytes")


def explained(
    tenant: TenantPolicy,
    decision: Optional[Decision],
    memory: Optional[TenantState],
    events: Sequence[Object],
    now: datetime,
) -> dict[str, Any]:
    """Return what there is to say of one gated tenant; without a decision nothing could be decided."""
    change = next_change(tenant.windows, now)
    return {
        "tenant": tenant.name,
        "namespace": tenant.namespace,
        "target": tenant.target.name,
        "floor_bytes": tenant.floor_bytes,
        "guard_bytes": tenant.guard_bytes,
        "window": {"open": is_open(tenant.windows, now), "changes_at": None if change is None else _stamp(change)},
        "decision": None if decision is None else _decided(decision),
        "last_change": _changed(memory),
        "last_event": _told(events),
    }


def _decided(decision: Decision) -> dict[str, Any]:
    return {
        "replicas": decision.target_replicas,
        "reason": decision.reason,
        "sentence": SENTENCES[decision.reason],
        "numbers": dict(decision.numbers),
        "changes": decision.changed,
    }


def _changed(memory: Optional[TenantState]) -> Optional[dict[str, Any]]:
    if memory is None or memory.changed_at is None:
        return None
    return {"at": _stamp(datetime.fromtimestamp(memory.changed_at, timezone.utc)), "replicas": memory.target}


def _told(events: Sequence[Object]) -> Optional[dict[str, Any]]:
    if not events:
        return None
    newest = events[-1]
    return {name: newest.get(key) for name, key in (("at", "eventTime"), ("reason", "reason"), ("note", "note"))}


def _stamp(instant: datetime) -> str:
    return instant.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def table(gate: Mapping[str, Any], targets: Iterable[Mapping[str, Any]], errors: Sequence[str], now: datetime) -> str:
    """Return it for people, with the local times of nobody: all of them are UTC."""
    lines = [_headline(gate, now)]
    lines += [f"  {sentence}" for sentence in gate["remarks"]]
    for target in targets:
        lines += ["", *_target(target, now)]
    return "\n".join([*lines, *([""] if errors else []), *(f"not read: {error}" for error in errors)])


def _headline(gate: Mapping[str, Any], now: datetime) -> str:
    where = f"gate {gate['namespace']}/{gate['name']}"
    state = {True: "it runs", False: "it is not ready", None: "no pod of it runs all the time"}[gate["ready"]]
    return f"{where} at {_stamp(now)}: {state if gate['deployed'] else 'it is not deployed'}"


def _target(target: Mapping[str, Any], now: datetime) -> Iterable[str]:
    decision, window = target["decision"], target["window"]
    yield f"{target['tenant']} (Deployment {target['namespace']}/{target['target']})"
    if decision is None:
        yield "  now     nothing could be decided"
    else:
        yield f"  now     {decision['reason']}: {decision['sentence']}"
        rest = {name: value for name, value in decision["numbers"].items() if name not in _ROOM}
        yield f"          {_outcome(decision)}; {numbers_told(rest)}"
    state = "open" if window["open"] else "closed"
    yield f"  window  {state}, {_until(window['changes_at'], now, opened=window['open'])}"
    yield f"  room    {_room(target, {} if decision is None else decision['numbers'])}"
    change, event = target["last_change"], target["last_event"]
    if change is None:
        yield "  last    the gate has not changed it yet"
    else:
        yield f"  last    {change['at']} ({_ago(change['at'], now)} ago): told to have {_pods(change['replicas'])}"
    if event is not None:
        yield f"          {event['at'][:19]}Z {event['reason']}: {event['note']}"


def _room(target: Mapping[str, Any], numbers: Mapping[str, Any]) -> str:
    if not all(name in numbers for name in _ROOM):
        floor, guard = format_size(target["floor_bytes"]), format_size(target["guard_bytes"])
        return f"unknown; it enters with {floor} and leaves below {guard}"
    enter, stay, floor, guard = (numbers[name] for name in _ROOM)
    return (
        f"{format_size(enter)} to enter (needs {format_size(floor)}), "
        f"{format_size(stay)} to stay (leaves below {format_size(guard)})"
    )


def _outcome(decision: Mapping[str, Any]) -> str:
    if decision["replicas"] is None:
        return "it is left as it is"
    return f"{'it would be told to have' if decision['changes'] else 'it stays at'} {_pods(decision['replicas'])}"


def _pods(number: Optional[int]) -> str:
    return "nothing" if number is None else f"{number} replica{'' if number == 1 else 's'}"


def _until(at: Optional[str], now: datetime, *, opened: bool) -> str:
    if at is None:
        return "and stays so for the next 15 days"
    return f"{'closes' if opened else 'opens'} at {at} (in {_distance(_parsed(at), now)})"


def _ago(at: str, now: datetime) -> str:
    return _distance(now, _parsed(at))


def _distance(later: datetime, earlier: datetime) -> str:
    return format_duration(max(0, int((later - earlier).total_seconds())))


def _parsed(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
