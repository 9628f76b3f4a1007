# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the gate is alive: a loop that hangs must be restarted, one that only cannot reach others must not."""

from __future__ import annotations

from typing import Callable, Optional


class Health:
    """When the last look was completed; ``limit`` is how long one may be out (seconds), ``clock`` is monotonic."""

    def __init__(self, limit: float, clock: Callable[[], float]) -> None:
        self.limit = limit
        self._clock = clock
        self._completed = clock()
        self._ready = False

    def tick(self, *, decided: bool, failed: bool = False) -> None:
        """Note that a look was completed, and whether everything that is declared was decided on.

        One that ``failed`` by a fault of the gate's own is none.
        """
        if not failed:
            self._completed = self._clock()
        self._ready = self._ready or decided

    def hung(self) -> Optional[str]:
        """Return why the gate must be restarted, None while it is alive."""
        out = self._clock() - self._completed
        return None if out <= self.limit else f"no look was completed for {out:.0f} s"

    def unready(self) -> Optional[str]:
        """Return why the gate is not ready, None once it has decided."""
        return self.hung() or (None if self._ready else "nothing was decided yet: look at the log")
