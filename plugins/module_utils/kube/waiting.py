# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Wait until what was applied is in use, and say why if it is not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Optional

from . import objects, readiness
from .applier import Step
from .cluster import Cluster
from .gone import POLL_SECONDS
from .objects import Object, title
from .refusal import RefusedAll


def wait(cluster: Cluster, steps: Iterable[Step], timeout: float) -> None:
    """Wait until Deployments are rolled out and Jobs have succeeded, ``timeout`` seconds for all together."""
    deadline = time.monotonic() + timeout
    for step in steps:
        if not readiness.awaited(step.asked) or (step.action == "keep" and readiness.ready(step.after)):
            continue
        live = _settled(cluster, step.asked, deadline)
        if readiness.ready(live):
            continue
        pods = cluster.pods(live) if live else []
        because = "\n- ".join(readiness.explain(live, pods, cluster.warnings(step.asked)))
        outcome = "has failed" if readiness.failed(live) else f"was not ready within {timeout:g} s"
        raise RefusedAll(f"{title(step.asked)} {outcome}:\n- {because}")


def _settled(cluster: Cluster, asked: Object, deadline: float) -> Optional[Object]:
    """Return the object when it is ready or has failed, or as it is at the deadline."""
    while True:
        live = cluster.read(asked)
        if readiness.ready(live) or readiness.failed(live) or time.monotonic() >= deadline:
            return live
        time.sleep(POLL_SECONDS)


def overruled(cluster: Cluster, steps: Iterable[Step]) -> list[str]:
    """Return what admission made of pods against what was asked: of those that run, else of the rehearsed one."""
    told: list[str] = []
    for step in steps:
        if step.asked["kind"] == "Deployment":
            pods = cluster.pods(step.asked) or ([step.pod] if step.pod else [])
            found = (objects.rewritten_priority(step.asked, pod) for pod in pods)
            told.extend(dict.fromkeys(sentence for sentence in found if sentence))
    return told
