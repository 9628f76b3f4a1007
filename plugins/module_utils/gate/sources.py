# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where readings come from: Prometheus, or the exporters themselves. A source never raises: it is blind, and why."""

from __future__ import annotations

from typing import Callable, Protocol

from ..core.errors import InputError, Problem
from ..core.measure import measure_cards
from ..core.options import Options
from ..core.policy import Policy
from ..core.reading import Reading
from ..core.samples import PromQuery
from .exporters import Exporters


class Source(Protocol):
    """The port of the loop to readings."""

    def read(self, policy: Policy, now: float) -> Reading:
        """Return the reading at ``now`` (Unix seconds)."""


class FromPrometheus:
    """Readings from a Prometheus, with the peaks of the look-back."""

    def __init__(self, port: PromQuery, profile: str) -> None:
        self._port = port
        self._profile = profile

    def read(self, policy: Policy, now: float) -> Reading:
        """Return the reading; the store's own clock counts."""
        options = Options(self._profile, policy.gate.lookback, policy.gate.max_age)
        return guarded(lambda: measure_cards(self._port, policy.plan, options))


class FromExporters:
    """Readings from exporters' pages, without peaks."""

    def __init__(self, exporters: Exporters, profile: str) -> None:
        self._exporters = exporters
        self._profile = profile

    def read(self, policy: Policy, now: float) -> Reading:
        """Return the reading."""
        options = Options(self._profile, 0, policy.gate.max_age)
        return guarded(lambda: self._exporters.read(policy.plan, options, now))


def guarded(read: Callable[[], Reading]) -> Reading:
    """Return the reading, or a blind one: what somebody else answers must never stop the gate from deciding."""
    try:
        return read()
    except InputError as error:
        return Reading(problems=(Problem("plan_misfit", str(error)),))
    except Exception as error:  # noqa: BLE001 - a fault of ours, and no reason to leave a tenant on the card
        return Reading(problems=(Problem("internal", f"the answer could not be read: {error!r}"),))
