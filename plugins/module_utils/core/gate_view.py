# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the gate sees at one look and what it says about it, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Optional, Union

from .reading import Reading

Number = Union[int, float, str]


@dataclass(frozen=True)
class TargetFacts:
    """What the API server says of one target, and its demand: None where it could not be read.

    ``pods`` counts those that exist, terminating ones too. Without ``attributable`` its own VRAM counts as others'.
    """

    replicas: int
    pods: int
    ready: bool
    attributable: bool = True
    demand: Optional[float] = None


@dataclass(frozen=True)
class View:
    """One look: the reading and the instant it speaks of, and the facts of each target (None: not known).

    A reading with problems, without cards or of another time is blind (:meth:`~.gate_look.Look.blind`).
    """

    reading: Reading
    taken_at: datetime
    targets: Mapping[str, Optional[TargetFacts]] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What one tenant should be now and why; ``numbers`` hold sizes in bytes, times in seconds, and what made it blind.

    ``target_replicas`` is None where it must be left as it is because nobody knows what it is. ``changed`` says that
    something is to be written, ``verified`` that it is at 0 with no pod and no VRAM left, ``not_freed`` that it is at 0
    and some of that has been left for longer than a reading may be old.
    """

    tenant: str
    target_replicas: Optional[int]
    reason: str
    numbers: Mapping[str, Number]
    changed: bool
    verified: bool
    not_freed: bool = False
