"""Plays the kubelet for the Jobs of a CronJob: starts the gate's program once for each of their pods.

The CronJob, its Jobs and their pods are real, as are the controllers that make them; the simulated node runs nothing.
So the time from the schedule to a running pod is what the controllers take, without an image and a container runtime.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from kubernetes import client, watch
from urllib3.exceptions import HTTPError

from dev.bench.gate_lab import Lab, environ


@dataclass
class Runs:
    """The runs so far: exit statuses, and processor time in seconds.

    Their memory is not told: what the kernel keeps as the most of a child begins with that of its parent.
    """

    statuses: list[int] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Return how many did not end well."""
        return sum(status != 0 for status in self.statuses)


class Kubelet:
    """Runs `command` for every pod of a CronJob, until it is stopped."""

    def __init__(self, lab: Lab, namespace: str, job: str, command: Sequence[str]) -> None:
        self.runs = Runs()
        self._lab = lab
        self._command = command
        self._where = (namespace, f"job={job}")
        self._stopped = Event()
        self._watch = watch.Watch()
        self._seen: set[str] = set()
        Thread(target=self._follow, daemon=True).start()
        lab.stack.callback(self._stop)

    def _follow(self) -> None:
        core = client.CoreV1Api(self._lab.client)
        while not self._stopped.is_set():
            with suppress(HTTPError):  # an API server ends a watch whenever it wants to
                self._start_all(core)

    def _start_all(self, core: client.CoreV1Api) -> None:
        namespace, selector = self._where
        pods = self._watch.stream(
            core.list_namespaced_pod, namespace, label_selector=selector, timeout_seconds=30, _request_timeout=60
        )
        for event in pods:
            pod = event["object"]
            if pod.metadata.uid not in self._seen and pod.status.phase == "Running":
                self._seen.add(pod.metadata.uid)
                Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with (self._lab.folder / f"{self._where[0]}.log").open("ab") as log:
            process = subprocess.Popen(self._command, cwd=self._lab.folder, env=environ(), stdout=log, stderr=log)
            _pid, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self.runs.statuses.append(process.returncode)
        self.runs.cpu_seconds.append(used.ru_utime + used.ru_stime)

    def _stop(self) -> None:
        self._stopped.set()
        self._watch.stop()
