# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate keeps in its ConfigMap: its state, its last good policy, and the changes that it is about to make.

It is written before a change is made, and only if nobody else wrote since: of two gates one acts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Optional

from ..core.errors import InputError
from ..core.gate_json import dump, load, tenant
from ..core.gate_state import State, TenantState
from .kube import Kube, Object

STATE, POLICY, CHANGES = "state", "policy", "changes"


@dataclass(frozen=True)
class Change:
    """A change that may have been made: then its Event is due, else ``before`` holds again."""

    before: TenantState
    replicas: int
    at: float
    event: Object


@dataclass(frozen=True)
class Kept:
    """What was found: ``state`` is None where there is none, or where ``problem`` says why it cannot be read."""

    state: Optional[State]
    policy: Optional[str]
    changes: Mapping[str, Change]
    problem: Optional[str] = None


class Memory:
    """The ConfigMap ``name`` of the gate's namespace.

    With ``every_look`` also what every look renews is worth a write: a gate that looks once has no other memory.
    """

    def __init__(self, kube: Kube, namespace: str, name: str, *, every_look: bool = False) -> None:
        self._kube = kube
        self._every_look = every_look
        self._where = (namespace, name)
        self._version: Optional[str] = None
        self._meta: Object = {"namespace": namespace, "name": name}
        self._written: dict[str, str] = {}

    def recall(self) -> Kept:
        """Return what is kept; raises KubeError."""
        found = self._kube.config_map(*self._where)
        data = found.get("data") or {}
        self._meta = found["metadata"]
        self._version = self._meta["resourceVersion"]
        self._written = dict(data)
        try:
            state = load(json.loads(data[STATE])) if STATE in data else None
            changes = {name: _change(name, value) for name, value in json.loads(data.get(CHANGES, "{}")).items()}
        except (InputError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            where = "/".join(self._where)
            return Kept(None, data.get(POLICY), {}, f"ConfigMap {where} holds what no gate wrote: {error}")
        return Kept(state, data.get(POLICY), changes)

    def about(self) -> Object:
        """Return the gate's own object, as far as it is known."""
        return {"metadata": self._meta}

    def save(self, state: State, policy: str, changes: Mapping[str, Change]) -> None:
        """Write all of it at once; raises KubeError, with status 409 where somebody else wrote meanwhile."""
        told = {name: asdict(change) for name, change in changes.items()}
        data = {STATE: json.dumps(dump(state)), POLICY: policy, CHANGES: json.dumps(told)}
        found = self._kube.patch_config_map(*self._where, data, self._version)
        self._version = found["metadata"]["resourceVersion"]
        self._written = data

    def worth_saving(self, state: State, policy: str) -> bool:
        """Tell whether a restart would lose what must not be lost; what every look renews is not worth a write."""
        try:
            kept = load(json.loads(self._written[STATE]))
        except (InputError, ValueError, KeyError):
            return True
        lasts = (lambda whole: whole) if self._every_look else _lasting
        return policy != self._written.get(POLICY) or lasts(state) != lasts(kept)


def _lasting(state: State) -> Any:
    tenants = {name: (kept.target, kept.changed_at, kept.admitted_at) for name, kept in state.tenants.items()}
    return tenants, state.owed


def _change(name: str, value: Mapping[str, Any]) -> Change:
    return Change(tenant(value["before"], name), int(value["replicas"]), float(value["at"]), dict(value["event"]))
