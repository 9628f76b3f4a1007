# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply objects as one owner: everything is rehearsed first, and what belongs to others stays theirs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Optional, Union

from . import gone, objects, readiness
from .cluster import Cluster
from .objects import Object, title, version
from .refusal import Refused, RefusedAll

MAX_READS = 5


@dataclass(frozen=True)
class Step:
    """One object: what was asked for, what is there, and what a dry run made of it."""

    asked: Object
    live: Optional[Object] = None
    after: Optional[Object] = None
    # The Pod that admission made of the Deployment's template as it will be stored.
    pod: Optional[Object] = None
    hand_over: bool = False
    # Nothing that a person sees changes, but an apply makes fields ours, or no longer ours.
    claims: bool = False
    # A Job of ours that has failed, and would keep failing every run: it is deleted and made anew.
    remake: bool = False
    # Why there was nothing to rehearse in: the namespace is still to come.
    waits_for: Optional[str] = None

    @property
    def torn(self) -> bool:
        """Return whether somebody wrote between the read and the dry run, which then must not count as our change."""
        return self.live is not None and self.after is not None and version(self.live) != version(self.after)

    @property
    def action(self) -> str:
        """Return what an apply does: ``create``, ``change`` or ``keep``."""
        if self.live is None:
            return "create"
        changes = self.hand_over or self.remake or objects.visible(self.live) != objects.visible(self.after)
        return "change" if changes else "keep"


class Applier:
    """Rehearses objects and applies what they change."""

    def __init__(self, cluster: Cluster, *, check_mode: bool, timeout: float) -> None:
        """``timeout``: seconds until a Job that is made anew must be gone."""
        self._cluster = cluster
        self._check_mode = check_mode
        self._timeout = timeout
        self._done: list[str] = []
        self.warnings: list[str] = []

    def run(self, asked: list[Object]) -> list[Step]:
        """Apply ``asked`` in its order and return a step for each; in check mode nothing is changed."""
        coming = {item["metadata"]["name"] for item in asked if item["kind"] == "Namespace"}
        steps = self._rehearse_all(asked, coming)
        if self._check_mode:
            return steps
        if any(step.waits_for for step in steps):
            made = [step for step in steps if step.asked["kind"] == "Namespace"]
            self._perform_all(made)
            rest = self._rehearse_all([step.asked for step in steps if step not in made], set())
            self._perform_all(rest)
            return made + rest
        self._perform_all(steps)
        return steps

    def _rehearse_all(self, asked: Iterable[Object], coming: set[str]) -> list[Step]:
        steps: list[Step] = []
        refusals: list[str] = []
        for item in asked:
            found = self._rehearse_or_refuse(item, coming)
            if isinstance(found, Step):
                steps.append(found)
            else:
                refusals.append(str(found))
        if refusals:
            before = (
                f"Applied before: {', '.join(self._done)}. The rest was not" if self._done else "Nothing was changed"
            )
            raise RefusedAll(f"{before}, because the API server refuses:\n- " + "\n- ".join(refusals))
        return steps

    def _rehearse_or_refuse(self, asked: Object, coming: set[str]) -> Union[Step, Refused]:
        try:
            return self._rehearse(asked)
        except Refused as refused:
            missing = refused.missing_namespace
            if missing and missing not in coming and self._check_mode:
                self._warn(
                    f"There is no namespace {missing}; a run without --check needs the namespace {missing} by then"
                )
            if missing and (missing in coming or self._check_mode):
                return Step(asked, waits_for=missing)
            return refused

    def _rehearse(self, asked: Object) -> Step:
        """Return what would become of ``asked``; read again while somebody else writes at the same time."""
        step = self._rehearse_once(asked)
        for _attempt in range(MAX_READS - 1):
            if not step.torn:
                break
            step = self._rehearse_once(asked)
        if asked["kind"] != "Deployment":
            return step
        return replace(step, pod=self._admit(step))

    def _rehearse_once(self, asked: Object) -> Step:
        live = self._cluster.read(asked)
        if live is not None and asked["kind"] == "Job":
            return self._rehearse_job(asked, live)
        asked = objects.rebound(asked, live)
        sent, hand_over = asked, False
        if objects.leaves_scale(asked):
            hand_over = live is not None and objects.scale_would_reset(live, self._cluster.manager)
            if live is None or hand_over:
                sent = objects.with_replicas(asked, live["spec"]["replicas"] if live else 0)
        after = self._cluster.apply(sent, dry_run=True, force=True)
        manager = self._cluster.manager
        claims = live is not None and objects.applied_fields(live, manager) != objects.applied_fields(after, manager)
        return Step(asked, live, after, hand_over=hand_over, claims=claims)

    def _rehearse_job(self, asked: Object, live: Object) -> Step:
        """Keep a Job: its template is immutable and admission rewrites it. One of ours that has failed is made anew."""
        if not readiness.failed(live) or not objects.applied_by(live, self._cluster.manager):
            return Step(asked, live, live)
        try:
            self._cluster.apply(objects.rehearsal_of(asked), dry_run=True, force=True)
        except Refused as refused:
            raise refused.about(asked) from refused
        return Step(asked, live, remake=True)

    def _admit(self, step: Step) -> Optional[Object]:
        """Show the Deployment's pod to admission: a Deployment is accepted although its pods will not be.

        The pod is that of the template as it will be stored, for admission may have rewritten the Deployment first.
        """
        try:
            return self._cluster.apply(objects.pod_of(step.after or step.asked), dry_run=True, force=True)
        except Refused as refused:
            if not self._passing(refused, step.asked, step.live):
                raise refused.about(step.asked, "its pod: ") from refused
            return None

    def _passing(self, refused: Refused, asked: Object, live: Optional[Object]) -> bool:
        """Return whether a refused rehearsal of a pod says nothing about the pod that is to come."""
        if refused.missing_namespace or refused.says(r"serviceaccount \S+ not found|cannot \w+ resource"):
            return True
        if refused.says("exceeded quota"):  # the pod that it replaces, or the gate keeps away, holds the quota
            return live is not None or objects.leaves_scale(asked)
        if refused.says("no PriorityClass with name") and self._check_mode:
            self._warn(f"{title(asked)}: {refused.text}; a run without --check needs it by then")
            return True
        return False

    def _warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def _perform_all(self, steps: list[Step]) -> None:
        for step in steps:
            if step.action == "keep" and not step.claims:
                continue
            try:
                self._perform(step)
            except Refused as refused:
                applied = ", ".join(self._done) or "nothing"
                raise RefusedAll(f"{refused}. Applied before: {applied}; run again to complete it") from refused
            if step.action != "keep":
                self._done.append(title(step.asked))

    def _perform(self, step: Step) -> None:
        asked, live = step.asked, step.live
        if live is not None and step.remake:
            gone.delete(self._cluster, live)
            gone.until_gone(self._cluster, live, time.monotonic() + self._timeout)
            live = None
        scaled_by_others = objects.leaves_scale(asked)
        if live is None:
            # Without force: if somebody made the object meanwhile, their values stand and this run says so.
            live = self._cluster.apply(objects.with_replicas(asked, 0) if scaled_by_others else asked)
            if not scaled_by_others:
                return
            self._give_scale_away(live)
        elif step.hand_over:
            self._give_scale_away(live)
        self._cluster.apply(objects.pinned(asked, live), force=True)

    def _give_scale_away(self, live: Object) -> None:
        """Have a second manager own the replicas, so that the first may leave them out without a reset to 1.

        Whoever writes between the read and the claim makes the server refuse the claim: look again.
        """
        current: Optional[Object] = live
        while current is not None and objects.scale_would_reset(current, self._cluster.manager):
            current = None if self._claim_scale(current) else self._cluster.read(current)

    def _claim_scale(self, current: Object) -> bool:
        try:
            self._cluster.apply(objects.scale_claim(current), manager=f"{self._cluster.manager}/replicas")
        except Refused as refused:
            if refused.conflict:
                return False
            raise
        return True
