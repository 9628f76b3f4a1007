# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A reading: cards and residents at one instant, with the reasons why it must not be trusted, if there are any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Optional

from .errors import Problem

MEASURED = "measured"
DECLARED = "declared"


@dataclass(frozen=True)
class CardReading:
    """One card: sizes in bytes, ``reserved_bytes`` None where no exporter tells the driver's share.

    ``total_bytes`` is what counts: the measured total, or a lower declared one. ``measured_bytes`` may miss the
    driver's share where ``whole`` is false.
    """

    name: str
    uuid: Optional[str]
    node: Optional[str]
    model: str
    total_bytes: int
    used_bytes: int
    free_bytes: int
    reserved_bytes: Optional[int]
    age_seconds: Optional[float]
    profile: Optional[str]
    total_source: str
    declared_bytes: Optional[int] = None
    measured_bytes: Optional[int] = None
    whole: bool = True


@dataclass(frozen=True)
class Resident:
    """Who holds VRAM: ``tenant`` None for the undeclared, ``card`` None where nobody tells on which of several cards.

    ``peak_bytes`` is the most that the pod held within the look-back, never less than ``used_bytes``. An empty
    ``namespace`` and ``pod`` stand for use that cannot be given to any pod.
    """

    card: Optional[str]
    tenant: Optional[str]
    namespace: str
    pod: str
    used_bytes: int
    peak_bytes: int


@dataclass(frozen=True)
class Reading:
    """One measurement; trusted if ``problems`` is empty, else without numbers (:meth:`trusted`, :meth:`by_card`).

    ``observed`` is the most that each tenant's pods held together within the look-back, ``others`` what undeclared
    residents are counted at by card (bytes), ``tenant_cards`` the card of each tenant, ``unclear`` the
    tenants whose history holds values that are no size, ``covered_seconds`` how much of the look-back has samples at
    all.
    """

    cards: tuple[CardReading, ...] = ()
    residents: tuple[Resident, ...] = ()
    observed: Mapping[str, int] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    tenant_cards: Mapping[str, str] = field(default_factory=dict)
    unclear: frozenset[str] = frozenset()
    covered_seconds: int = 0
    lookback_seconds: int = 0
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    def trusted(self) -> Reading:
        """Return the reading for a verdict on the whole plan: without any number, if there is any problem."""
        if not self.problems:
            return self
        return Reading(problems=self.problems, notes=self.notes, lookback_seconds=self.lookback_seconds)

    def by_card(self) -> Reading:
        """Return the reading for whoever judges each card alone: without the numbers of the cards that are in doubt.

        Exporters that are scraped one after the other contradict each other about a card whenever a pod comes or goes
        there. That says nothing about the other cards, and must neither hide who fills them nor count as an outage.
        """
        doubtful = self.doubtful()
        if None in doubtful:
            return self.trusted()
        return replace(
            self,
            cards=tuple(card for card in self.cards if card.name not in doubtful),
            residents=tuple(resident for resident in self.residents if resident.card not in doubtful),
            others={card: size for card, size in self.others.items() if card not in doubtful},
        )

    def doubtful(self) -> frozenset[Optional[str]]:
        """Return the cards that a problem speaks against; None among them: the whole reading."""
        return frozenset(problem.card for problem in self.problems)
