# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Adds up what tenants and others are known to take: what they hold now, and their peaks within the look-back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from .declared import Plan
from .errors import one_line
from .peaks import Peaks
from .plausible import TOLERANCE
from .quantity import format_size
from .reading import Resident
from .residents import NOBODY


@dataclass(frozen=True)
class Tally:
    """What the sums are made of; ``uuids`` by card, ``chosen`` the card of each tenant."""

    plan: Plan
    residents: Sequence[Resident]
    peaks: Peaks
    uuids: Mapping[str, Optional[str]]
    chosen: Mapping[str, str]

    def observed(self) -> dict[str, int]:
        """Return the most that the pods of each tenant held together, now or within the look-back."""
        observed = {}
        for claim in self.plan.claims():
            uuid = self.uuids.get(self.chosen.get(claim.tenant, ""))
            past = self.peaks.of_group(uuid, claim.namespace, claim.group)
            now = sum(resident.used_bytes for resident in self.residents if resident.tenant == claim.tenant)
            observed[claim.tenant] = max(past, now)
        return observed

    def others(self) -> dict[str, int]:
        """Return what a card must bear beside its own tenants: by namespace, the most that they held together.

        One whose card nobody tells counts on every card, and a tenant on a card that is not its own counts there.
        """
        groups = {claim.tenant: claim.group for claim in self.plan.claims()}
        counted = {}
        for name, uuid in self.uuids.items():
            held: dict[tuple[str, str], int] = {}
            for resident in self.residents:
                if self.is_other(resident, name):
                    key = (resident.namespace, groups.get(resident.tenant or "", ""))
                    held[key] = held.get(key, 0) + resident.used_bytes
            counted[name] = sum(
                used if key[0] in NOBODY else max(used, self.peaks.of_group(uuid, *key)) for key, used in held.items()
            )
        return counted

    def unclear(self) -> frozenset[str]:
        """Return the tenants of which the history does not tell what they held."""
        claims = self.plan.claims()
        return frozenset(claim.tenant for claim in claims if (claim.namespace, claim.group) in self.peaks.unknown)

    def is_other(self, resident: Resident, card: str) -> bool:
        """Tell whether the resident may be on the card and is none of the card's own tenants."""
        if resident.tenant is None:
            return resident.card in (card, None)
        return resident.card == card and self.chosen.get(resident.tenant) != card

    def notes(self) -> tuple[str, ...]:
        """Return what the sums do not tell: unusable history, tenants astray, undeclared ones who are gone."""
        astray = (
            f"{resident.tenant} is declared on card {self.chosen[resident.tenant]} and holds "
            f"{format_size(resident.used_bytes)} on card {one_line(resident.card)}: it counts on both"
            for resident in self.residents
            if resident.tenant and resident.card and self.is_other(resident, resident.card)
        )
        known = {(claim.namespace, claim.group) for claim in self.plan.claims()}
        known |= {(resident.namespace, "") for resident in self.residents if resident.tenant is None}
        gone: dict[str, int] = {}
        for (_uuid, namespace, group), size in self.peaks.groups.items():
            if (namespace, group) not in known and namespace not in NOBODY and size > TOLERANCE:
                gone[namespace] = max(size, gone.get(namespace, 0))
        unclear = sorted({namespace for namespace, _group in self.peaks.unknown})
        return (
            *self.peaks.notes,
            *(
                f"the history of namespace {one_line(namespace)} holds values that are no size: what was held there is "
                "not known"
                for namespace in unclear
            ),
            *astray,
            *(
                f"undeclared pods of namespace {one_line(namespace)} held up to {format_size(size)} within the "
                "look-back, and nothing now"
                for namespace, size in sorted(gone.items())
            ),
        )
