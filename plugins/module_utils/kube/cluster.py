# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API server behind a few verbs, over the client that kubernetes.core makes from the module's options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional

from .objects import Object, apply_body, selector_of
from .refusal import Refused, Unknown, Unreachable, status_of

try:
    from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError, ResourceNotUniqueError
    from urllib3.exceptions import HTTPError
except ImportError:  # AnsibleK8SModule has reported it before anything here runs
    pass

# With a charset the Python client sends the text as it is, whatever its version; the API server cuts it off.
APPLY = "application/apply-patch+yaml; charset=utf-8"


class Cluster:
    """Reads and applies objects as ``manager``, for real or as a dry run; ``changed`` is set once it wrote."""

    def __init__(self, client: Any, manager: str) -> None:
        self._client = client
        self.manager = manager
        self.changed = False

    def read(self, item: Object) -> Optional[Object]:
        """Return the object that has the kind, name and namespace of ``item`` now, or None."""
        try:
            return self._ask("get", item)
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def apply(
        self, item: Object, *, dry_run: bool = False, force: bool = False, manager: Optional[str] = None
    ) -> Object:
        """Apply ``item`` server-side and return what the server made of it.

        ``force`` takes fields from their owners; without it their owners' values stand and Refused is raised.
        """
        options: dict[str, Any] = {"field_manager": manager or self.manager, "force_conflicts": force}
        if dry_run:
            options["dry_run"] = "All"
        applied = self._ask("patch", item, body=apply_body(item), content_type=APPLY, **options)
        self.changed = self.changed or not dry_run
        return applied

    def delete(self, live: Object) -> None:
        """Delete exactly this object; one that owns others is there until they are gone."""
        options = {"propagationPolicy": "Foreground", "preconditions": {"uid": live["metadata"]["uid"]}}
        self._ask("delete", live, body={"apiVersion": "v1", "kind": "DeleteOptions", **options})
        self.changed = True

    def pods(self, deployment: Object) -> list[Object]:
        """Return the pods that a Deployment or a Job selects; none if it tells no selector."""
        selector = selector_of(deployment)
        return self._list("Pod", deployment, label_selector=selector) if selector else []

    def warnings(self, item: Object) -> list[Object]:
        """Return the Warning events of the namespace of ``item``, the oldest first."""
        return self._list("Event", item, field_selector="type=Warning")

    def labelled(self, api_version: str, kind: str, labels: Mapping[str, str]) -> list[Object]:
        """Return the objects of a kind that have these labels, in all namespaces; none of a kind that is not known."""
        listed: Object = {"apiVersion": api_version, "kind": kind, "metadata": {}}
        try:
            items = self._ask("get", listed, label_selector=",".join(f"{key}={text}" for key, text in labels.items()))
        except Unknown:
            return []
        return [{"apiVersion": api_version, "kind": kind, **item} for item in items["items"]]

    def fetch(self, path: str) -> Optional[Object]:
        """Return what the API server has at ``path``, None where there is nothing; raises Refused for a refusal."""
        asked: Object = {"kind": "GET", "metadata": {"name": path}}
        try:
            answer = self._client.client.request("get", path, serialize=False)
        except DynamicApiError as error:
            if error.status == 404:
                return None
            raise _refusal(asked, error) from error
        except HTTPError as error:
            raise no_answer(error) from error
        decoded: Object = json.loads(answer.data)
        return decoded

    def _list(self, kind: str, item: Object, **options: Any) -> list[Object]:
        listed: Object = {"apiVersion": "v1", "kind": kind, "metadata": {"namespace": item["metadata"]["namespace"]}}
        found: list[Object] = self._ask("get", listed, **options)["items"]
        return found

    def _ask(self, method: str, item: Object, **options: Any) -> Object:
        meta = item["metadata"]
        try:
            resource = self._client.resource(item["kind"], item["apiVersion"])
            if resource.namespaced and meta.get("name") and not meta.get("namespace"):
                raise Refused(item, {"message": "metadata.namespace is missing", "code": 400})
            path = resource.path(name=meta.get("name"), namespace=meta.get("namespace"))
            answer = self._client.client.request(method, path, serialize=False, **options)
            decoded: Object = json.loads(answer.data)
        except (ResourceNotFoundError, ResourceNotUniqueError) as error:
            message = f"the cluster does not know {item['apiVersion']} {item['kind']}"
            raise Unknown(item, {"message": message, "code": 400}) from error
        except DynamicApiError as error:
            raise _refusal(item, error) from error
        except HTTPError as error:
            raise no_answer(error) from error
        return decoded


def _refusal(item: Object, error: Any) -> Exception:
    if error.status == 401:
        return Unreachable("The Kubernetes API server does not accept the credentials")
    return Refused(item, status_of(error.body, error.status))


def no_answer(error: Exception) -> Unreachable:
    """Return a transport failure in one sentence: where, and the innermost reason."""
    pool, reason = getattr(error, "pool", None), getattr(error, "reason", error)
    where = f" at {pool.host}:{pool.port}" if pool else ""
    return Unreachable(f"The Kubernetes API server{where} does not answer ({str(reason).rpartition(': ')[2]})")
