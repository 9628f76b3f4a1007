# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the gate: its options, and how its parts are put together."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

from ..core.profiles import AUTO, PROFILE_NAMES
from .demand import PATIENCE, Demand
from .events import Outbox
from .exporters import Exporters
from .hand import Hand
from .kube import Account, Kube
from .loop import Gate, Parts
from .memory import Memory
from .metrics import Metrics
from .policy_file import PolicyFile
from .prometheus import Prometheus, Remembering
from .sources import FromExporters, FromPrometheus, Source
from .targets import Targets
from .voice import Voice

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PEAKS_SECONDS = 600  # how long an answer about the look-back is used


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options; ends the program where they cannot be used."""
    parser = argparse.ArgumentParser(prog="gate", description="Admit GPU tenants off-peak, while there is room.")
    parser.add_argument("--policy", required=True, help="file with the plan as JSON")
    parser.add_argument("--namespace", required=True, help="namespace of the state")
    parser.add_argument("--state", required=True, help="ConfigMap with the state")
    parser.add_argument("--prometheus", metavar="URL", help="read the cards and PromQL demand from this Prometheus")
    parser.add_argument(
        "--exporter", metavar="URL", action="append", help="read the cards from this page instead (again: more)"
    )
    parser.add_argument("--profile", default=AUTO, choices=PROFILE_NAMES, help="metric profile")
    parser.add_argument("--prometheus-ca", metavar="FILE", help="CA of Prometheus")
    parser.add_argument("--prometheus-token", metavar="FILE", help="bearer token for Prometheus")
    parser.add_argument("--api-server", metavar="URL", default=in_cluster(), help="default: the pod's own")
    parser.add_argument("--api-token", metavar="FILE", default=str(ACCOUNT / "token"))
    parser.add_argument("--api-ca", metavar="FILE", default=str(ACCOUNT / "ca.crt"))
    parser.add_argument("--timeout", type=float, default=5, help="seconds that one request may take")
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help="serve /metrics, /healthz and /readyz")
    parser.add_argument("--dry-run", action="store_true", help="decide, log and count, and touch nothing")
    parser.add_argument("--once", action="store_true", help="look until nothing is on its way out, then end")
    parser.add_argument("--once-timeout", type=float, default=120, help="seconds until --once fails")
    found = parser.parse_args(argv)
    if not found.prometheus and not found.exporter:
        parser.error("one of --prometheus and --exporter is required: nothing tells of the cards else")
    if not found.api_server:
        parser.error("--api-server is missing, and this is no pod")
    return found


def in_cluster() -> str:
    """Return the API server's address as a pod is told it, empty elsewhere."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}" if host else ""


def assemble(chosen: argparse.Namespace, metrics: Metrics) -> Gate:
    """Return the gate that the options describe."""
    voice = Voice(sys.stdout, metrics)
    account = Account(chosen.api_server, chosen.api_token, chosen.api_ca)
    kube = Kube(account, timeout=chosen.timeout, pause=time.sleep)
    memory = Memory(kube, chosen.namespace, chosen.state, every_look=chosen.once)
    targets = Targets(kube, voice.error)
    outbox = Outbox(kube, voice.error)
    return Gate(
        Parts(
            policy_file=PolicyFile(chosen.policy),
            memory=memory,
            targets=targets,
            source=_source(chosen, _prometheus(chosen)),
            demand=_demand(chosen, voice),
            hand=Hand(targets, memory, outbox, voice, socket.gethostname()),
            voice=voice,
            clock=lambda: datetime.now(timezone.utc),
            dry_run=chosen.dry_run,
        )
    )


def _demand(chosen: argparse.Namespace, voice: Voice) -> Demand:
    """Return what asks for demand; who looks once waits for it, because no other look would have the answer."""
    return Demand(_prometheus(chosen), chosen.timeout, voice.error, None if chosen.once else PATIENCE)


def _prometheus(chosen: argparse.Namespace) -> Optional[Prometheus]:
    if not chosen.prometheus:
        return None
    ca, token = chosen.prometheus_ca, chosen.prometheus_token
    return Prometheus(chosen.prometheus, timeout=chosen.timeout, ca_path=ca, token_path=token)


def _source(chosen: argparse.Namespace, port: Optional[Prometheus]) -> Source:
    if chosen.exporter or port is None:
        return FromExporters(Exporters(chosen.exporter, timeout=chosen.timeout), chosen.profile)
    return FromPrometheus(Remembering(port, PEAKS_SECONDS, time.monotonic), chosen.profile)
