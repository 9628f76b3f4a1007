# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy from its file; one that cannot be used changes nothing but is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Optional

from ..core.errors import InputError
from ..core.policy import Policy, parse_policy


class PolicyFile:
    """The file of a mounted ConfigMap: ``policy`` is the last good one, ``problem`` why the present one is not used."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._seen: Optional[str] = None
        self.policy: Optional[Policy] = None
        self.text: Optional[str] = None
        self.problem: Optional[str] = None

    @property
    def refused(self) -> Optional[str]:
        """Return the content that cannot be used, or why there is none; None while the present one is used."""
        return None if self.problem is None else f"{self._seen} {self.problem}"

    def look(self) -> bool:
        """Read the file again and return whether it says something new, good or bad."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            self._seen = None  # else the same content would count as seen, and stay refused
            return self._refuse(f"{self._path} cannot be read: {error}")
        if text == self._seen:
            return False
        self._seen = text
        try:
            self.policy, self.text, self.problem = parsed(text), text, None
        except InputError as error:
            return self._refuse(str(error))
        return True

    def fall_back(self, text: str) -> None:
        """Go on with the policy of an earlier start, where there is no better one."""
        if self.policy is None:
            self.policy, self.text = parsed(text), text

    def _refuse(self, problem: str) -> bool:
        new, self.problem = problem != self.problem, problem
        return new


def parsed(text: str) -> Policy:
    """Return the policy of a plan in JSON; raises :class:`~..core.errors.InputError`."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("vram_plan", None, f"is no JSON ({error})", "deploy it with the role offpeak_gate") from error
    return parse_policy(value)
