"""Starts components in their order and waits until each is ready; stops them in the reverse one."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from dev.cluster import interrupts, process
from dev.cluster.component import STOP_WAVES, Component
from dev.cluster.errors import ClusterError, PortTaken
from dev.cluster.layout import Layout, Record
from dev.cluster.options import CHECKOUT
from dev.cluster.progress import Progress

_READY_WITHIN = 90.0
_STOP_WITHIN = 20.0
_STRAY_GRACE = 2.0
"""Seconds; in no order, so that one may wait in vain for another: the next `up` puts up with what that leaves."""
_POLL = 0.03
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZ", "USER")
"""Nothing else of the caller's environment reaches a component: no proxy, no KUBECONFIG."""


class Supervisor:
    """The processes of one cluster."""

    def __init__(self, layout: Layout, progress: Progress) -> None:
        self._layout = layout
        self._progress = progress
        self._children: list[subprocess.Popen[bytes]] = []

    def start(self, components: Iterable[Component]) -> int:
        """Bring every component up, keep what already runs as wanted, and return how many were started."""
        waiting = list(components)
        starting: dict[str, tuple[Component, float, bool]] = {}
        ready: set[str] = set()
        started = 0
        while waiting or starting:
            interrupts.check()
            for component in [one for one in waiting if ready.issuperset(one.after)]:
                waiting.remove(component)
                adopted = self._adopt(component)
                started += not adopted
                if not adopted:
                    self._spawn(component)
                starting[component.name] = (component, time.monotonic(), adopted)
            for component, began, adopted in list(starting.values()):
                if self._is_ready(component, began):
                    del starting[component.name]
                    ready.add(component.name)
                    if not adopted:
                        self._progress.say(f"{component.name:<24} ready at {component.address}")
            time.sleep(_POLL if starting else 0)
        return started

    def stop(self, names: Iterable[str]) -> None:
        """Stop the named components in their order, each wave only after the exit of the one before."""
        wanted = set(names)
        for wave in STOP_WAVES:
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._stop, [name for name in wave if name in wanted]))
        for child in self._children:
            child.poll()  # takes the exit status, so that none stays as a zombie

    def stop_strays(self) -> int:
        """Stop what carries the marker of this cluster and has no record: the rest of an interrupted start."""
        known = {record.process for record in self._layout.records().values()}
        strays = [one for one in process.marked(self._layout.root) if one not in known]
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda stray: process.stop(stray, _STRAY_GRACE), strays))
        return len(strays)

    def _adopt(self, component: Component) -> bool:
        record = self._layout.records().get(component.name)
        if record is None:
            return False
        if process.is_running(record.process) and record.fingerprint == component.fingerprint():
            return True
        self._stop(component.name)
        return False

    def _spawn(self, component: Component) -> None:
        fingerprint = component.fingerprint()  # before the start: the files may change right after it
        log = self._layout.log(component.name)
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        environment["TMPDIR"] = str(self._layout.tmp)
        if component.marked:
            environment[process.MARKER] = str(self._layout.root)
        with log.open("wb") as output:
            child = subprocess.Popen(
                component.argv,
                cwd=CHECKOUT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children.append(child)
        identity = process.identify(child.pid)
        if identity is not None:  # else it is dead already, which the wait for it reports
            self._layout.remember(component.name, Record(identity, component.address, fingerprint))

    def _is_ready(self, component: Component, began: float) -> bool:
        ready = component.ready()
        record = self._layout.records().get(component.name)
        if record is None or not process.is_running(record.process):
            self._report_death(component)
        port = urlsplit(component.address).port
        if not ready and time.monotonic() - began > _READY_WITHIN:
            log = self._layout.log(component.name)
            raise ClusterError(
                f"{component.name} runs but is not ready after {_READY_WITHIN:.0f} s. The end of {log}:\n{tail(log)}"
            )
        return ready and (port is None or process.listens(record.process, port))

    def _report_death(self, component: Component) -> NoReturn:
        log = self._layout.log(component.name)
        text = tail(log)
        self._layout.forget(component.name)
        kind = f"{component.name} ended while it was starting. The end of {log}:\n{text}"
        if "address already in use" in text.lower():
            raise PortTaken(component.name, kind)
        raise ClusterError(kind)

    def _stop(self, name: str) -> None:
        record = self._layout.records().get(name)
        if record is None:
            return
        if not process.stop(record.process, _STOP_WITHIN):
            self._progress.say(f"{name} did not end in {_STOP_WITHIN:.0f} s and was killed")
        self._layout.forget(name)


def tail(log: Path, lines: int = 15) -> str:
    """Return the end of a log file."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "(there is no log)"
    return "\n".join(text.splitlines()[-lines:]) or "(the log is empty)"
