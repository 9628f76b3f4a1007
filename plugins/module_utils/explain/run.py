# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way from the options of gate_info to its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Optional

from ansible.module_utils.basic import missing_required_lib

from ..adapters.connection import connection
from ..adapters.module import PrometheusModule
from ..adapters.prometheus import REQUESTS_IMPORT_ERROR, PrometheusClient
from ..core.errors import InputError
from ..core.profiles import AUTO
from ..gate.kube import KubeError
from ..kube.cluster import Cluster
from .looking import Deployed, Eyes, Seen, deployed, look
from .reader import Reader
from .words import explained, table

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.exceptions import CoreException
    from kubernetes.config import ConfigException
    from urllib3.exceptions import HTTPError

    KUBERNETES_IMPORT_ERROR: Optional[str] = None
except ImportError as missing:
    KUBERNETES_IMPORT_ERROR = str(missing)

HOW_TO_REACH = (
    "check that kubeconfig, KUBECONFIG, or the K8S_AUTH_* variables, name a cluster that runs, and a user that it knows"
)


def run_module(module: PrometheusModule) -> None:
    """Look once as the gate would, and end the module."""
    for library, error in (("requests", REQUESTS_IMPORT_ERROR), ("kubernetes", KUBERNETES_IMPORT_ERROR)):
        if error:
            module.fail_json(msg=missing_required_lib(library), exception=error)
    params = module.taken()
    try:
        client = get_api_client(None, kubeconfig=params["kubeconfig"], context=params["context"])
        found = _explain(module, params, Reader(Cluster(client, "")))
    except InputError as error:
        module.fail_json(msg=str(error))
    except KubeError as error:
        module.fail_json(msg=f"{error}; {HOW_TO_REACH}" if error.unreachable else str(error))
    except (CoreException, ConfigException, HTTPError, OSError) as error:
        module.fail_json(msg=f"{error}; {HOW_TO_REACH}")
    else:
        module.exit_json(changed=False, **found)


def _explain(module: PrometheusModule, params: dict[str, Any], reader: Reader) -> dict[str, Any]:
    where = (params["namespace"], params["name"])
    stands = deployed(reader, *where)
    plan = params["plan"]
    if stands.policy is None and not plan:
        problem = "there is no gate of this name to explain, and no plan to explain it by"
        remedy = "deploy it (sharedgpu.voice.site, tag gate), correct name and namespace, or give the plan (vram_plan)"
        raise InputError("namespace", f"{where[0]}/{where[1]}", problem, remedy)
    text = json.dumps(plan) if stands.policy is None else stands.policy
    port = _port(module, params, text)
    profile = stands.argument("profile") or (plan or {}).get("profile") or AUTO
    eyes = Eyes(port, profile, params["timeout"], lambda: datetime.now(timezone.utc), Path(module.tmpdir))
    seen = look(reader, where, text, eyes, deployed=stands.policy is not None)
    return _result(params, stands, seen, reader, eyes.clock())


def _port(module: PrometheusModule, params: Mapping[str, Any], text: str) -> PrometheusClient:
    url = params["prometheus_url"] or _url_of(text)
    if not url:
        remedy = (
            "write the address of the Prometheus that knows the cards, such as http://prometheus.monitoring.svc:9090"
        )
        raise InputError("prometheus_url", None, "is missing, here and in the gate's plan", remedy)
    way = connection({**params, "prometheus_url": url})
    module.blacken(way.secrets)
    return PrometheusClient(way)


def _url_of(text: str) -> Optional[str]:
    try:
        return str(json.loads(text).get("prometheus_url") or "")
    except (ValueError, AttributeError):
        return None


def _result(params: Mapping[str, Any], stands: Deployed, seen: Seen, reader: Reader, now: datetime) -> dict[str, Any]:
    tenants = () if seen.policy is None else seen.policy.tenants
    decisions = {decision.tenant: decision for decision in seen.decisions}
    errors = list(seen.errors)
    targets = []
    for tenant in tenants:
        try:
            events = reader.told(tenant.namespace, tenant.target.name)
        except KubeError as error:
            events = []
            errors.append(str(error))
        memory = seen.memory.get(tenant.name)
        targets.append(explained(tenant, decisions.get(tenant.name), memory, events, now))
    gate = _gate(params, stands, seen)
    return {"msg": table(gate, targets, errors, now), "gate": gate, "targets": targets, "errors": errors}


def _gate(params: Mapping[str, Any], stands: Deployed, seen: Seen) -> dict[str, Any]:
    plan = params["plan"]
    current = None if plan is None or stands.policy is None else _same(plan, stands.policy)
    gate = {
        "name": params["name"],
        "namespace": params["namespace"],
        "deployed": stands.policy is not None,
        "ready": None if stands.deployment is None else stands.ready,
        "dry_run": None if stands.deployment is None else "--dry-run" in stands.arguments,
        "has_the_plan": current,
        "policy_problem": seen.problem,
    }
    return {**gate, "remarks": list(_remarks(gate, stands))}


def _same(plan: Mapping[str, Any], text: str) -> bool:
    try:
        kept = json.loads(text)
    except ValueError:
        return False
    return bool(json.loads(json.dumps(plan)) == kept)


def _remarks(gate: Mapping[str, Any], stands: Deployed) -> list[str]:
    """Return what a reader must know beside the decisions."""
    remarks = {
        "It is not deployed: this is what it would decide by the plan that was given.": not gate["deployed"],
        "It only says what it would do (offpeak_gate_dry_run).": gate["dry_run"],
        "The plan that was given is not the one that it has: sharedgpu.voice.site with the tag gate deploys it.": (
            gate["has_the_plan"] is False
        ),
        "It reads exporters itself, so it sees changes sooner than this does, and no peaks of the past.": (
            stands.argument("exporter") is not None
        ),
        f"Its policy cannot be used, so it goes by the last good one and admits nobody: {gate['policy_problem']}": (
            gate["policy_problem"] is not None
        ),
    }
    return [sentence for sentence, said in remarks.items() if said]
