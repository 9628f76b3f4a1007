# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options ask for, refused where it lacks what every object must have. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .objects import Object
from .refusal import RefusedAll

# What is read of an object before the API server sees it.
_ALWAYS = (("apiVersion",), ("kind",), ("metadata", "name"))
_OF_A_DEPLOYMENT = (("spec", "template", "spec"),)


def checked(present: Sequence[Object], absent: Sequence[Object]) -> tuple[list[Object], list[Object]]:
    """Return what is to be applied and to be removed; raises RefusedAll that names each item and what it lacks."""
    lacking = [
        f"{option}[{index}] ({item.get('kind') or 'no kind'}) lacks {', '.join(lacks)}"
        for option, items in (("present", present), ("absent", absent))
        for index, item in enumerate(items)
        if (lacks := list(_lacking(item, to_apply=option == "present")))
    ]
    if lacking:
        raise RefusedAll("Nothing was changed, because of the options; add what is missing:\n- " + "\n- ".join(lacking))
    return [_meant(item) for item in present], list(absent)


def _lacking(item: Object, *, to_apply: bool) -> Iterator[str]:
    for path in (*_ALWAYS, *(_OF_A_DEPLOYMENT if to_apply and item.get("kind") == "Deployment" else ())):
        found: Any = item
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if not found:
            yield ".".join(path)


def _meant(item: Object) -> Object:
    """Return ``item`` without a number of replicas that is null, which the server would take for 1."""
    spec = item.get("spec")
    if item["kind"] != "Deployment" or not isinstance(spec, dict) or spec.get("replicas", 0) is not None:
        return item
    return {**item, "spec": {key: value for key, value in spec.items() if key != "replicas"}}
