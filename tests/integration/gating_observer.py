"""What really happens in the cluster, watched beside the gates: every change of a target, every pod, every Event."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from dev import loopback

MERGE = "application/merge-patch+json"
WATCHED = {
    "pods": "/api/v1/pods",
    "deployments": "/apis/apps/v1/deployments",
    "events": "/apis/events.k8s.io/v1/events",
}
IDLE = 2.0  # seconds after which a silent watch looks whether it is still wanted

Object = dict[str, Any]


class Admin:
    """An administrator who speaks JSON: one session for each thread."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.url = str(cluster["server"])
        self.ca = folder / "admin-ca.crt"
        self.ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        self._token = user["token"]
        self._local = threading.local()
        self._sessions: list[requests.Session] = []

    def session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            self._local.session = loopback.session()
            self._local.session.headers["Authorization"] = f"Bearer {self._token}"
            self._local.session.verify = str(self.ca)
            self._sessions.append(self._local.session)
        found: requests.Session = self._local.session
        return found

    def send(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> requests.Response:
        """Return the answer, whatever it is."""
        data = None if body is None else json.dumps(body)
        return self.session().request(method, self.url + path, data=data, headers={"Content-Type": kind}, timeout=30)

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Object:
        """Return the answer's object; any refusal is an error of the test, but a 404 to a DELETE."""
        told = self.send(method, path, body, kind)
        assert told.ok or (method == "DELETE" and told.status_code == 404), f"{method} {path}: {told.text}"
        return dict(told.json())

    def items(self, path: str) -> list[Object]:
        """Return the items of a list."""
        return list(self.ask("GET", path)["items"])

    def close(self) -> None:
        for session in self._sessions:
            session.close()


@dataclass(frozen=True)
class Scaled:
    """One change of a target: the replicas it has since, and the version that says so."""

    replicas: int
    version: str


@dataclass
class Seen:
    """What was seen of one namespace. Lists only grow: a test notes where it began."""

    pods: dict[str, Object] = field(default_factory=dict)
    scaled: dict[str, list[Scaled]] = field(default_factory=dict)
    events: list[Object] = field(default_factory=list)


class Observer:
    """Follows the cluster by watches, from a list on and again after whatever ends one."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._lock = threading.Lock()
        self._seen: dict[str, Seen] = {}
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=(kind,), daemon=True) for kind in WATCHED]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def of(self, namespace: str) -> Seen:
        with self._lock:
            return self._seen.setdefault(namespace, Seen())

    def _follow(self, kind: str) -> None:
        version = ""
        while not self._over.is_set():
            try:
                if not version:
                    version = self._list(kind)
                for change in self._watch(kind, version):
                    if change["type"] == "ERROR":
                        version = ""
                        break
                    version = change["object"]["metadata"]["resourceVersion"]
                    self._note(kind, change["type"], change["object"])
            except requests.Timeout:
                continue  # an idle watch
            except (requests.RequestException, AssertionError):
                self._over.wait(0.5)

    def _list(self, kind: str) -> str:
        found = self._admin.ask("GET", WATCHED[kind])
        with self._lock:
            for seen in self._seen.values() if kind == "pods" else ():
                seen.pods.clear()
        for item in found["items"]:
            self._note(kind, "ADDED", item)
        return str(found["metadata"]["resourceVersion"])

    def _watch(self, kind: str, version: str) -> Iterator[Mapping[str, Any]]:
        query = {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        url = self._admin.url + WATCHED[kind]
        try:
            with self._admin.session().get(url, params=query, stream=True, timeout=(10, IDLE)) as told:
                if told.status_code == 410:
                    yield {"type": "ERROR"}
                    return
                told.raise_for_status()  # an API server that starts: asked again
                for line in told.iter_lines(chunk_size=None):
                    if self._over.is_set():
                        return
                    if line:
                        yield json.loads(line)
        except requests.ConnectionError as error:
            if "Read timed out" in str(error):
                raise requests.Timeout from error
            raise

    def _note(self, kind: str, how: str, item: Object) -> None:
        if how == "BOOKMARK":
            return
        seen = self.of(item["metadata"].get("namespace", ""))
        name = item["metadata"]["name"]
        with self._lock:
            if kind == "events":
                if how == "ADDED" and all(one["metadata"]["uid"] != item["metadata"]["uid"] for one in seen.events):
                    seen.events.append(item)
            elif kind == "deployments":
                known = seen.scaled.setdefault(name, [])
                replicas = int(item["spec"]["replicas"])
                if not known or known[-1].replicas != replicas:
                    known.append(Scaled(replicas, item["metadata"]["resourceVersion"]))
            elif how == "DELETED":
                seen.pods.pop(name, None)
            else:
                seen.pods[name] = item
