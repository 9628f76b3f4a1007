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
        raise RefusedAll(f"{title(step.asked)} {_outcome(live, cluster.manager, timeout)}:\n- {because}")


def _outcome(live: Optional[Object], manager: str, timeout: float) -> str:
    if live is None or not readiness.failed(live):
        return f"was not ready within {timeout:g} s"
    if objects.applied_by(live, manager):
        return "has failed; put right what it names, and the next run makes it anew"
    meta = live["metadata"]
    remedy = f"kubectl -n {meta['namespace']} delete job {meta['name']}, and run again"
    return f"has failed, and somebody else made it: {remedy}"


def _settled(cluster: Cluster, asked: Object, deadline: float) -> Optional[Object]:
    """Return the object when it is ready or has failed, or as it is at the deadline."""
    while True:
        live = cluster.read(asked)
        if readiness.ready(live) or readiness.failed(live) or time.monotonic() >= deadline:
            return live
        time.sleep(POLL_SECONDS)


def overruled(cluster: Cluster, steps: Iterable[Step]) -> list[str]:
    """Return what admission made of Deployments and of their pods against what was asked."""
    told: list[str] = []
    for step in steps:
        if step.asked["kind"] == "Deployment" and step.after is not None:
            admitted = [step.after["spec"]["template"], *_pods(cluster, step)]
            found = (objects.rewritten_priority(step.asked, one) for one in admitted)
            told.extend(dict.fromkeys(sentence for sentence in found if sentence))
    return told


def _pods(cluster: Cluster, step: Step) -> list[Object]:
    """Return the pods that run of the template that was applied, else the rehearsed one.

    A pod of a former template says nothing: it is there until a change is rolled out, and in check mode all the time.
    """
    live = cluster.read(step.asked)
    running: list[Object] = []
    if live is not None and step.after is not None and readiness.rolled_out(live, step.after["spec"]["template"]):
        running = [pod for pod in cluster.pods(live) if not (objects.ended(pod) or objects.ending(pod))]
    return running or ([step.pod] if step.pod else [])
