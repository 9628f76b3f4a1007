"""Follows the pods of an API server: a list of all namespaces every second, which survives the server's restarts."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any

from kubernetes import client, config

from .pods import from_api

if TYPE_CHECKING:
    from pathlib import Path

    from .machine import Machine
    from .pods import Pod

_LOG = logging.getLogger(__name__)
_INTERVAL_SECONDS = 1.0
_TIMEOUT_SECONDS = 5


class Watcher:
    """While the server does not answer, the pods that were seen last keep their VRAM: a card knows no API server."""

    def __init__(self, kubeconfig: Path, machine: Machine) -> None:
        self._kubeconfig = kubeconfig
        self._machine = machine
        self._api: client.CoreV1Api | None = None
        machine.watch.enabled = True

    def start(self) -> None:
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def look(self) -> None:
        """List the pods once. The kubeconfig is read again after a failure: a restart may have changed it."""
        watch = self._machine.watch
        try:
            self._machine.observe(self._pods())
        except Exception as error:  # noqa: BLE001 - whatever the client raises: the next second tries again
            self._api = None
            if watch.error is None:
                _LOG.warning("cannot list pods, trying on: %s", error)
            watch.error = str(error)
            return
        if watch.error is not None or watch.listed_at is None:
            _LOG.info("following the pods of the API server")
        watch.listed_at, watch.error = self._machine.now(), None

    def _pods(self) -> list[Pod]:
        if self._api is None:
            api = config.new_client_from_config(str(self._kubeconfig))
            self._api = client.CoreV1Api(api)
        answer: Any = self._api.list_pod_for_all_namespaces(
            resource_version="0", _preload_content=False, _request_timeout=_TIMEOUT_SECONDS
        )
        return [from_api(item) for item in json.loads(answer.data)["items"]]

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self.look()
            pause.wait(_INTERVAL_SECONDS)
