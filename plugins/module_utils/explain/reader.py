# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gate's port to the Kubernetes API, served with the rights of whoever asks: it reads, and has no way to write."""

from __future__ import annotations

from typing import Optional
from urllib.parse import quote, urlencode

from ..gate.events import CONTROLLER
from ..gate.kube import Kube, KubeError, Object
from ..kube.cluster import Cluster
from ..kube.refusal import Refused, Unreachable

_EVENTS = "/apis/events.k8s.io/v1"


class Reader(Kube):
    """Answers what the gate asks, and refuses what it would write."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.requests = {}

    def pods(self, namespace: str) -> list[Object]:
        """Return the pods of a namespace."""
        found: list[Object] = self._json("GET", f"/api/v1/namespaces/{quote(namespace)}/pods")["items"]
        return found

    def deployment(self, namespace: str, name: str) -> Optional[Object]:
        """Return a Deployment, None where there is none."""
        try:
            return self._json("GET", f"/apis/apps/v1/namespaces/{quote(namespace)}/deployments/{quote(name)}")
        except KubeError as error:
            if error.status != 404:
                raise
            return None

    def told(self, namespace: str, target: str) -> list[Object]:
        """Return the gate's Events about a target, the oldest first. The API server forgets them, mostly in an hour."""
        query = urlencode({"fieldSelector": f"regarding.name={target},reportingController={CONTROLLER}"})
        items = self._json("GET", f"{_EVENTS}/namespaces/{quote(namespace)}/events?{query}")["items"]
        return sorted(items, key=lambda item: str(item.get("eventTime")))

    def _json(self, method: str, path: str, body: Optional[Object] = None) -> Object:
        if method != "GET" or body is not None:
            raise KubeError("read_only", f"{method} {path}: this only reads", 405)
        try:
            found = self._cluster.fetch(path)
        except Refused as refused:
            message = f"GET {path}: HTTP {refused.code}: {refused.text}; {refused.remedy}"
            raise KubeError(str(refused.code), message, refused.code, refused.reason) from refused
        except Unreachable as error:
            raise KubeError("unreachable", str(error)) from error
        if found is None:
            raise KubeError("404", f"GET {path}: HTTP 404: there is nothing", 404, "NotFound")
        return found
