# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody asks for a tenant: a number, or None where it cannot be had. None changes and delays nothing.

Servers are asked beside each other, and a look waits only a moment for all of them. One that was late is not waited for
any more until it is fast again: it is asked at one look and its answer counts at the next one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from threading import Event, Thread
from typing import Any, Callable, Optional, Union
from urllib.parse import urlsplit

from ..core.errors import QueryError, shown
from ..core.gate_fields import Demand as Ask
from ..core.policy import Policy
from ..core.samples import PromQuery, parse_vector
from .transport import Channel, TransportError

MAX_BODY = 1 << 20
#: how long a look that another one follows may wait for demand (seconds): a resident that grows waits as long
PATIENCE = 0.5


class Round:
    """One server, asked for all of its tenants in a thread of its own; ``answers`` are complete when it is ``over``.

    An answer has the instant at which it came, of a monotonic clock, and is a number or what went wrong.
    """

    def __init__(self, asks: Sequence[Ask], ask: Callable[[Ask], float]) -> None:
        self.over = Event()
        self.answers: dict[Ask, tuple[float, Union[float, Exception]]] = {}
        self.began = self.ended = time.monotonic()
        Thread(target=self._run, args=(asks, ask), daemon=True).start()

    def _run(self, asks: Sequence[Ask], ask: Callable[[Ask], float]) -> None:
        late: Optional[Exception] = None
        for each in asks:
            answer = late or _outcome(each, ask)
            if isinstance(answer, (QueryError, TransportError)) and answer.code == "timeout":
                late = answer  # the others of this server would wait in vain as well
            self.answers[each] = (time.monotonic(), answer)
        self.ended = time.monotonic()
        self.over.set()


class Demand:
    """Asks where the policy says; ``report`` takes the class and the message of every failure, and the tenant.

    ``timeout`` (seconds) bounds a request, ``patience`` what a look waits for; without one it waits for every answer.
    ``port`` is asked in another thread than the caller's, and a late one while the caller goes on.
    """

    def __init__(
        self,
        port: Optional[PromQuery],
        timeout: float,
        report: Callable[[str, str, str], object],
        patience: Optional[float] = None,
    ) -> None:
        self._port = port
        self._timeout = timeout
        self._report = report
        self._patience = timeout if patience is None else min(patience, timeout)
        self._channels: dict[str, Channel] = {}
        #: the last round of every server that was late
        self._late: dict[str, Round] = {}

    def look(self, policy: Policy) -> dict[str, Optional[float]]:
        """Return the demand of each tenant that has a probe; who answers too late is asked once for all of them."""
        probes = {tenant.name: tenant.demand for tenant in policy.tenants if tenant.demand is not None}
        asks: dict[str, dict[Ask, None]] = {}
        for probe in probes.values():
            asks.setdefault(_server(probe), {})[probe] = None
        max_age = policy.gate.max_age
        rounds = {server: self._round(server, list(wanted), max_age) for server, wanted in asks.items()}
        self._wait(rounds)
        return {name: self._answer(name, probe, rounds[_server(probe)], max_age) for name, probe in probes.items()}

    def _round(self, server: str, asks: Sequence[Ask], max_age: int) -> Round:
        """Return the round whose answers count now: a new one, or of a server that was late the former one."""
        former = self._late.pop(server, None)
        if former is not None and not former.over.is_set():
            self._late[server] = former
            return former
        begun = Round(asks, lambda ask: self._ask(ask, max_age))
        if former is None or former.ended - former.began <= self._patience:
            return begun
        self._late[server] = begun
        return former

    def _wait(self, rounds: Mapping[str, Round]) -> None:
        """Wait for those who were not late the last time, until one deadline for all."""
        deadline = time.monotonic() + self._patience
        for server, begun in rounds.items():
            if server not in self._late and not begun.over.wait(max(0.0, deadline - time.monotonic())):
                self._late[server] = begun

    def _answer(self, tenant: str, probe: Ask, asked: Round, max_age: int) -> Optional[float]:
        """Return the answer to one probe, None where there is none yet, an old one, or none of use."""
        at, answer = asked.answers.get(probe, (-math.inf, 0.0))
        if time.monotonic() - at > max_age:
            who = _server(probe) or "Prometheus"
            answer = TransportError("timeout", f"{who} did not answer in time for this look")
        if not isinstance(answer, Exception):
            return answer
        code = answer.code if isinstance(answer, (QueryError, TransportError)) else "unparseable"
        self._report(f"demand_{code}", f"demand for {tenant}: {answer}", tenant)
        return None

    def _ask(self, demand: Ask, max_age: int) -> float:
        if demand.promql is None:
            return number(self._json(demand.url or ""), demand.path or "")
        if self._port is None:
            raise QueryError("no_prometheus", "it is a PromQL expression, and the gate was given no --prometheus")
        samples = parse_vector(self._port.query(demand.promql, time=None, lookback_delta=max_age))
        if len(samples) > 1:
            raise ValueError(f"{len(samples)} series answer {demand.promql}; ask for one number, as sum(...) is")
        return number([sample.value for sample in samples], "0")

    def _json(self, url: str) -> Any:
        parts, server = urlsplit(url), _origin(url)
        if server not in self._channels:
            self._channels[server] = Channel(server, timeout=self._timeout, max_body=MAX_BODY)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        answer = self._channels[server].send("GET", path, {"Accept": "application/json"})
        if answer.status != 200:
            raise TransportError(str(answer.status), f"{url} answered HTTP {answer.status}")
        return json.loads(answer.body)


def _outcome(probe: Ask, ask: Callable[[Ask], float]) -> Union[float, Exception]:
    try:
        return ask(probe)
    except Exception as error:  # noqa: BLE001 - what somebody else answers must never stop the gate from deciding
        return error


def _server(demand: Ask) -> str:
    """Return who is asked; the empty string stands for Prometheus."""
    return "" if demand.url is None else _origin(demand.url)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def number(value: Any, path: str) -> float:
    """Return the number at ``path``, keys and list indices with dots between; raises ValueError for anything else."""
    for step in path.split("."):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, Sequence) and not isinstance(value, str) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            raise ValueError(f"there is nothing at {path}")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{shown(value)} at {path} is no count")
    return float(value)
