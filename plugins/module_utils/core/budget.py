# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The arithmetic of a card: what everybody may take together, and what floor a gated tenant needs, in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .declared import GATED, WARM, Plan, Tenant
from .quantity import MIB, round_up
from .reading import DECLARED, CardReading, Reading

#: recommended floors are rounded up to this, so that they read well in a plan
FLOOR_STEP = 128 * MIB


@dataclass(frozen=True)
class Floor:
    """The floor of a gated tenant: configured, needed (expected peak + margin), and the highest one that can be met."""

    tenant: str
    card: str
    configured_bytes: int
    needed_bytes: int
    reachable_bytes: int
    expected_bytes: int

    @property
    def recommended_bytes(self) -> int:
        """Return the smallest round floor that is not below the need."""
        return round_up(self.needed_bytes, FLOOR_STEP)


@dataclass(frozen=True)
class CardBudget:
    """What is expected on one card when everybody takes what they may."""

    card: CardReading
    reserved_bytes: int
    warm_bytes: int
    on_demand_bytes: int
    gated_bytes: int
    others_bytes: int

    @property
    def without_gated_bytes(self) -> int:
        """Return the sum of everybody who does not ask the gate, the driver included."""
        return self.reserved_bytes + self.warm_bytes + self.on_demand_bytes + self.others_bytes

    @property
    def worst_case_bytes(self) -> int:
        """Return the sum of everybody, the driver included."""
        return self.without_gated_bytes + self.gated_bytes

    @property
    def headroom_bytes(self) -> int:
        """Return what is left of the total in the worst case; below zero, it does not fit."""
        return self.card.total_bytes - self.worst_case_bytes

    @property
    def reachable_bytes(self) -> int:
        """Return the most that can ever be free: the warm tenants are always there."""
        return self.card.total_bytes - self.reserved_bytes - self.warm_bytes


@dataclass(frozen=True)
class Budget:
    """The budgets of the cards and the floors of the gated tenants."""

    cards: tuple[CardBudget, ...]
    floors: tuple[Floor, ...]


def expected(tenant: Tenant, reading: Reading) -> int:
    """Return the most VRAM that the tenant is known to take: declared or observed, whichever is larger."""
    return max(tenant.peak_bytes, reading.observed.get(tenant.name, 0))


def budget(plan: Plan, reading: Reading) -> Budget:
    """Return the budget of every card of the reading; of the declared cards where nothing could be measured."""
    cards = tuple(_card(plan, reading, card) for card in reading.cards or declared_cards(plan))
    by_name = {card.card.name: card for card in cards}
    floors = []
    for tenant in plan.tenants:
        card = by_name.get(card_of(tenant, reading, cards))
        if tenant.mode == GATED and card is not None:
            floors.append(_floor(tenant, expected(tenant, reading), plan.margin_bytes, card))
    return Budget(cards, tuple(floors))


def declared_cards(plan: Plan) -> tuple[CardReading, ...]:
    """Return the plan's cards as declared, for arithmetic on declared numbers alone."""
    return tuple(
        CardReading(
            card.name,
            card.uuid,
            card.node,
            "",
            card.total_bytes,
            0,
            card.total_bytes,
            None,
            None,
            None,
            DECLARED,
            card.total_bytes,
        )
        for card in plan.cards
        if card.total_bytes is not None
    )


def card_of(tenant: Tenant, reading: Reading, cards: Sequence[CardBudget]) -> str:
    """Return the name of the tenant's card, empty where it is not known."""
    only = cards[0].card.name if len(cards) == 1 else ""
    return reading.tenant_cards.get(tenant.name) or tenant.card or only


def _card(plan: Plan, reading: Reading, card: CardReading) -> CardBudget:
    sums = dict.fromkeys(("warm", "on_demand", "gated"), 0)
    for tenant in plan.tenants:
        if (reading.tenant_cards.get(tenant.name) or tenant.card or card.name) == card.name:
            sums[tenant.mode] += expected(tenant, reading)
    return CardBudget(
        card=card,
        reserved_bytes=card.reserved_bytes or 0,
        warm_bytes=sums[WARM],
        on_demand_bytes=sums["on_demand"],
        gated_bytes=sums[GATED],
        others_bytes=reading.others.get(card.name, 0),
    )


def _floor(tenant: Tenant, peak: int, margin: int, card: CardBudget) -> Floor:
    configured = tenant.peak_bytes + margin if tenant.floor_bytes is None else tenant.floor_bytes
    return Floor(tenant.name, card.card.name, configured, peak + margin, card.reachable_bytes, peak)
