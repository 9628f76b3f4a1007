# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Prometheus that plays the answers of one T4: dcgm-exporter knows the card, the pod exporter knows the pods."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from tests.unit.plugins.adapters.fault_server import FaultServer, Peer, reply

MIB = 1 << 20
UUID = "GPU-4b1f2c6e-0d5a-4a71-9c3e-2f8d6b7a9e10"
DCGM = {"job": "dcgm", "instance": "10.0.0.1:9400"}
PODS = {"job": "gpu-pod-exporter", "instance": "10.0.0.2:9401"}


@dataclass
class T4:
    """What stands on the card: MiB by (namespace, pod), and what Prometheus says about the samples' age."""

    pods: dict[tuple[str, str], int] = field(default_factory=lambda: {("portal-stt", "speaches-6d5c9f7b8-x2x4k"): 1434})
    reserved: int = 450
    age: float = 5.0
    labels: dict[str, str] = field(default_factory=dict)

    def current(self) -> list[tuple[dict[str, str], float]]:
        """Return every series of the two exporters, names included."""
        used = sum(self.pods.values())
        card = {**DCGM, "UUID": UUID, "gpu": "0", "modelName": "Tesla T4", "Hostname": "gpu-1", **self.labels}
        values = {"USED": used, "FREE": 15360 - self.reserved - used, "RESERVED": self.reserved}
        series = [({**card, "__name__": f"DCGM_FI_DEV_FB_{name}"}, float(value)) for name, value in values.items()]
        for (namespace, pod), mib in self.pods.items():
            labels = {"exported_namespace": namespace, "exported_pod": pod, "pid": "7", **PODS}
            series.append(({**labels, "__name__": "gpu_pod_memory_used_bytes"}, float(mib * MIB)))
        return series

    def facts(self, now: float) -> list[tuple[dict[str, str], float]]:
        """Return the sample times and the targets."""
        series = []
        for labels, _value in self.current():
            rest = {key: value for key, value in labels.items() if key != "__name__"}
            series.append(({**rest, "vram_part": f"at:{labels['__name__']}"}, now - self.age))
        return [*series, *(({**target, "vram_part": "up"}, 1.0) for target in (DCGM, PODS))]

    def history(self) -> list[tuple[dict[str, str], float]]:
        """Return the peaks of the pods, as high as what they hold now."""
        series: list[tuple[dict[str, str], float]] = [({"vram_part": "covered"}, 604800.0)]
        for (namespace, pod), mib in self.pods.items():
            labels = {"exported_namespace": namespace, "exported_pod": pod, "vram_part": "pod"}
            series.append((labels, float(mib * MIB)))
            series.append(({"exported_namespace": namespace, "vram_part": "group"}, float(mib * MIB)))
        return series


class PlayedPrometheus(FaultServer):
    """Answers each of the three questions of a measurement by its kind."""

    def __init__(self, card: T4) -> None:
        super().__init__(self._play)
        self._card = card

    def queries(self) -> list[str]:
        """Return the expressions that were asked for."""
        return [self._parameters(request.target, request.body)["query"][0] for request in self.requests]

    @staticmethod
    def _parameters(target: str, body: bytes) -> dict[str, list[str]]:
        return parse_qs(urlsplit(target).query or body.decode())

    def _play(self, peer: Peer) -> None:
        while True:
            request = peer.request()
            query = self._parameters(request.target, request.body)["query"][0]
            now = time.time()
            if "timestamp(" in query:
                series = self._card.facts(now)
            elif "max_over_time" in query:
                series = self._card.history()
            else:
                series = self._card.current()
            peer.send(reply(vector(series, now)))


def vector(series: list[tuple[dict[str, str], float]], now: float) -> Mapping[str, object]:
    """Return the body of an instant query's answer."""
    result = [{"metric": labels, "value": [now, f"{value:.17g}"]} for labels, value in series]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}
