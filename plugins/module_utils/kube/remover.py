# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove what this owner applied, and see it gone."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from . import gone, objects
from .cluster import Cluster
from .objects import Object, title


class Remover:
    """Removes objects of the cluster's manager; others are left alone, with a warning."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.warnings: list[str] = []
        # Deployments that are wanted gone and are: their pods may still be there, orphaned or ending.
        self._gone: list[Object] = []

    def find(self, unwanted: Iterable[Object]) -> list[Object]:
        """Return those of ``unwanted`` that are there and were applied by this owner."""
        found = []
        for item in unwanted:
            live = self._cluster.read(item)
            if live is None:
                self._gone += [item] if item["kind"] == "Deployment" else []
            elif objects.applied_by(live, self._cluster.manager):
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
        """Delete ``found`` in its order and wait until they are gone, and the pods of all unwanted Deployments."""
        deadline = time.monotonic() + timeout
        for live in found:
            gone.delete(self._cluster, live)
        for live in found:
            gone.until_gone(self._cluster, live, deadline)
        for deployment in [*(live for live in found if live["kind"] == "Deployment"), *self._gone]:
            gone.until_podless(self._cluster, deployment, deadline)
