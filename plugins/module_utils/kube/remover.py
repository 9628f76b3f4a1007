# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove what this owner applied, and see it gone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from . import objects
from .cluster import Cluster
from .objects import Object, title
from .refusal import Refused, RefusedAll
from .waiting import POLL_SECONDS


class Remover:
    """Removes objects of the cluster's manager; others are left alone, with a warning."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.warnings: list[str] = []

    def find(self, unwanted: Iterable[Object]) -> list[Object]:
        """Return those of ``unwanted`` that are there and were applied by this owner."""
        found = []
        for item in unwanted:
            live = self._cluster.read(item)
            if live is None:
                continue
            if objects.applied_by(live, self._cluster.manager):
                found.append(live)
            else:
                self.warnings.append(f"{title(live)} was made by somebody else and is left alone")
        return found

    def find_stale(self, prune: Mapping[str, Any], kept: Iterable[Object]) -> list[Object]:
        """Return what this owner applied and ``kept`` lacks, of the kinds and with the labels of ``prune``."""
        names = {title(item) for item in kept}
        labelled = (
            live
            for kind in prune["kinds"]
            for live in self._cluster.labelled(kind["api_version"], kind["kind"], prune["labels"])
        )
        own = (live for live in labelled if objects.applied_by(live, self._cluster.manager))
        return [live for live in own if title(live) not in names]

    def remove(self, found: list[Object], timeout: float) -> None:
        """Delete ``found`` in its order and wait until they, and the pods of Deployments, are gone."""
        deadline = time.monotonic() + timeout
        for live in found:
            self._delete(live)
        for live in found:
            self._until_gone(live, deadline)
            for pod in self._cluster.pods(live) if live["kind"] == "Deployment" else []:
                self._until_gone(pod, deadline)

    def _delete(self, live: Object) -> None:
        try:
            self._cluster.delete(live)
        except Refused as refused:
            if refused.code != 404:
                raise

    def _until_gone(self, item: Object, deadline: float) -> None:
        while True:
            live = self._cluster.read(item)
            if live is None or live["metadata"]["uid"] != item["metadata"]["uid"]:
                return
            if time.monotonic() >= deadline:
                held = ", ".join(live["metadata"].get("finalizers") or []) or "no finalizer: see its events"
                raise RefusedAll(f"{title(item)} is still there after the time-out; what holds it: {held}")
            time.sleep(POLL_SECONDS)
