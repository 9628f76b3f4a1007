# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a tenant that was told to leave has still to give back, although its pods are gone: sizes in bytes.

The VRAM of a killed pod is nobody's: no exporter names it, or one calls it unknown. So it shows in what is used beyond
what named pods hold. What others with a name take or free meanwhile changes nothing there, and cannot be mistaken for
it or hide it. Where no pod is named at all everything counts, and the card is shut until as much is free again as the
tenant may have taken.
"""

from __future__ import annotations

from typing import Optional

from .gate_state import HOUR, Owed, TenantState
from .reading import Reading
from .residents import NOBODY


def unnamed_use(reading: Reading, card: str) -> int:
    """Return what is in use on a card of the reading beyond what its named pods hold."""
    used = next(found.used_bytes for found in reading.cards if found.name == card)
    return max(0, used - sum(named_pods(reading, card).values()))


def named_pods(reading: Reading, card: str) -> dict[str, int]:
    """Return what each pod with a name holds on the card."""
    named = (resident for resident in reading.residents if resident.card == card and resident.namespace not in NOBODY)
    return {f"{resident.namespace}/{resident.pod}": resident.used_bytes for resident in named}


def missing(debt: Owed, reading: Reading, card: str) -> int:
    """Return what has not come back to the card yet."""
    newcomers = sum(size for pod, size in named_pods(reading, card).items() if pod not in debt.pods)
    return max(0, unnamed_use(reading, card) - debt.unnamed_bytes + min(debt.doubtful_bytes, newcomers))


def debt_of(memory: TenantState, card: str, expected: int, pods: Optional[dict[str, int]], now: float) -> Owed:
    """Return what a tenant owes to ``card`` that leaves now and may hold ``expected`` bytes at most.

    ``pods`` are those named now, None where nobody sees them.
    """
    before, beside = memory.before_bytes, memory.beside_bytes
    if memory.own_bytes and beside is not None:
        # Of two exporters one may be ahead of the other, so that while the tenant grows too little seems unnamed.
        unnamed = max(beside, before or 0)
    elif beside is not None:
        # Its own use is among the rest: all that came since it was let in, but not more than it may take.
        unnamed = max(beside - expected, min(beside, before or 0))
    else:
        unnamed = before or 0
    return Owed(
        card=card,
        unnamed_bytes=max(0, unnamed),
        doubtful_bytes=0 if before is None or pods is None else max(0, unnamed - before),
        pods=tuple(sorted(pods or ())),
        until=now + HOUR if not card or (before is None and not memory.own_bytes) else None,
    )
