# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one look of the gate sees of tenants and their cards, before anything is added up. Sizes in bytes."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Optional

from .budget import expected
from .gate_state import State, TenantState, settled
from .gate_view import TargetFacts, View
from .policy import Policy, TenantPolicy
from .reading import CardReading, Resident
from .windows import is_open

NO_READING = "no_reading"
STALE = "stale"


class Sight:
    """A view together with the policy and the memory."""

    def __init__(self, policy: Policy, view: View, now: datetime, state: State) -> None:
        self.policy = policy
        self.now = now
        self.seconds = now.timestamp()
        self.state = settled(state, self.seconds, policy.gate.cool_down)
        self.reading = view.reading.by_card()
        self._targets = view.targets
        self._taken_at = view.taken_at
        plan = policy.plan.tenants
        self._cards = {tenant.name: self.reading.tenant_cards.get(tenant.name) or tenant.card for tenant in plan}
        self._live = {tenant.name: self._attributed(tenant.name) for tenant in plan}
        self._expected = {tenant.name: expected(tenant, self.reading) for tenant in plan}

    def facts(self, tenant: TenantPolicy) -> Optional[TargetFacts]:
        """Return what the API server says, None where it says nothing."""
        return self._targets.get(tenant.name)

    def memory(self, tenant: TenantPolicy) -> TenantState:
        """Return what is remembered of the tenant."""
        return self.state.of(tenant.name)

    def may_run(self, tenant: TenantPolicy) -> bool:
        """Tell whether it has replicas; unknown is not zero."""
        facts = self.facts(tenant)
        return facts is None or facts.replicas > 0

    def demand(self, tenant: TenantPolicy) -> Optional[float]:
        """Return how much is asked of it, None where that could not be read; it is no number, or less than nothing."""
        facts = self.facts(tenant)
        known = facts is not None and facts.demand is not None and math.isfinite(facts.demand) and facts.demand >= 0
        return facts.demand if facts is not None and known else None

    def in_window(self, tenant: TenantPolicy) -> bool:
        """Tell whether one of its windows is open."""
        return is_open(tenant.windows, self.now)

    def since(self, instant: Optional[float]) -> Optional[float]:
        """Return how many seconds ago that was."""
        return None if instant is None else self.seconds - instant

    def card_name(self, tenant: str) -> Optional[str]:
        """Return the card that the tenant is on, None where nobody tells."""
        return self._cards.get(tenant)

    def blind(self, tenant: TenantPolicy) -> Optional[str]:
        """Return the code of the reason why the reading says nothing of its card, None if it does."""
        return self.blind_on(self.card_name(tenant.name))

    def blind_on(self, card: Optional[str]) -> Optional[str]:
        """Return the code of the reason why the reading says nothing of a card, None if it does."""
        against = next((one.code for one in self.reading.problems if one.card in (card, None)), None)
        if against is not None:
            return against
        found = self._card(card)
        if found is None:
            return NO_READING
        age = (self.now - self._taken_at).total_seconds()
        oldest = age + (found.age_seconds or 0)
        return STALE if max(-age, oldest) > self.policy.gate.max_age else None

    def _card(self, name: Optional[str]) -> Optional[CardReading]:
        return next((card for card in self.reading.cards if card.name == name), None)

    def free(self, tenant: TenantPolicy) -> int:
        """Return what is free on its card, as the device says."""
        card = self._card(self.card_name(tenant.name))
        return 0 if card is None else card.free_bytes

    def live(self, tenant: str) -> int:
        """Return what its pods hold now on its card, as far as it can be told apart from what others hold."""
        return self._live[tenant]

    def expected(self, tenant: str) -> int:
        """Return the most that it is known to take."""
        return self._expected[tenant]

    def _attributed(self, tenant: str) -> int:
        card = self._cards[tenant]
        return sum(one.used_bytes for one in self._residents(tenant) if card is None or one.card in (card, None))

    def _residents(self, tenant: str) -> list[Resident]:
        facts = self._targets.get(tenant)
        if facts is not None and not facts.attributable:
            return []
        return [resident for resident in self.reading.residents if resident.tenant == tenant]

    def is_there(self, tenant: TenantPolicy) -> bool:
        """Tell whether it is known to have pods or VRAM, on whatever card."""
        facts = self.facts(tenant)
        return bool((facts and facts.pods) or any(one.used_bytes for one in self._residents(tenant.name)))

    def neighbours(self, tenant: TenantPolicy) -> list[TenantPolicy]:
        """Return the other gated tenants of its card."""
        card = self.card_name(tenant.name)
        others = (other for other in self.policy.tenants if other.name != tenant.name)
        return [other for other in others if self.card_name(other.name) in (card, None)]
