# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether somebody asks for a tenant: a number, or None where it cannot be had. None changes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

from ..core.errors import QueryError, shown
from ..core.gate_fields import Demand as Ask
from ..core.policy import Policy, TenantPolicy
from ..core.samples import PromQuery, parse_vector
from .transport import Channel, TransportError

MAX_BODY = 1 << 20


class Demand:
    """Asks where the policy says; ``report`` takes the class and the message of every failure, and the tenant."""

    def __init__(self, port: Optional[PromQuery], timeout: float, report: Callable[[str, str, str], object]) -> None:
        self._port = port
        self._timeout = timeout
        self._report = report
        self._channels: dict[str, Channel] = {}
        self._late: set[str] = set()

    def look(self, policy: Policy) -> dict[str, Optional[float]]:
        """Return the demand of each tenant that has a probe; who answers too late is asked once in a look."""
        self._late = set()
        return {tenant.name: self._of(tenant, policy.gate.max_age) for tenant in policy.tenants if tenant.demand}

    def _of(self, tenant: TenantPolicy, max_age: int) -> Optional[float]:
        if tenant.demand is None:
            return None
        server = _server(tenant.demand)
        if server in self._late:
            late = f"{server or 'Prometheus'} was late in this look already"
            self._report("demand_timeout", f"demand for {tenant.name}: {late}", tenant.name)
            return None
        try:
            return self._ask(tenant.demand, max_age)
        except (QueryError, TransportError) as error:
            if error.code == "timeout":
                self._late.add(server)
            self._report(f"demand_{error.code}", f"demand for {tenant.name}: {error}", tenant.name)
        except Exception as error:  # noqa: BLE001 - what somebody else answers must never stop the gate from deciding
            self._report("demand_unparseable", f"demand for {tenant.name}: {error}", tenant.name)
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
