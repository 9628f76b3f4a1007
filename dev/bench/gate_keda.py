"""KEDA's operator beside the gate: a ScaledObject for each place, with KEDA's defaults for all that one must not say.

A tenant runs while its window is open *and* the card has room for it. KEDA takes several triggers as "one of them", so
that is a formula over both (its `scalingModifiers`). Own use is added to what is free, as the gate does, or the tenant
would yield to itself. The operator is built from its Go module; it is published as an image only.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from dev.bench.gate_lab import Lab, answers, wait
from dev.bench.gate_objects import Place, card_uuid
from dev.bench.model import BenchError
from dev.bench.objects import Object
from dev.bench.temporary import Workshop
from dev.cluster.catalog import GoSource
from dev.cluster.gobuild import MODULES, GoBuilder
from dev.cluster.pki import Pki
from dev.cluster.ports import LOOPBACK

ACCOUNT = "keda"
POLLING = 30
"""Seconds between two looks of KEDA by default; it waits 300 more after the last look at which there was room."""
_VERSION = "2.21.0"
_MODULE = "github.com/kedacore/keda/v2"
_SOURCE = GoSource("keda", f"{_MODULE}/cmd/operator", (f"-X={_MODULE}/version.Version={_VERSION}",))
_GROUP, _KINDS = "keda.sh", "scaledobjects"
_GUARD_MIB = 5 * 1024
"""Below this the gate's tenants leave: halfway between their peak and their floor."""


def operator(shop: Workshop) -> Path:
    """Build the operator and return the program."""
    path = shop.folder / "keda-operator"
    GoBuilder(shop.progress, go=shutil.which("go")).build(f"KEDA's operator {_VERSION}", _SOURCE, path)
    return path


def scale(
    lab: Lab, program: Path, namespace: str, places: Sequence[Place], prometheus_url: str
) -> subprocess.Popen[bytes]:
    """Run the operator, with an account of its own and an administrator's rights, and give it the places."""
    lab.create(_definitions())
    access = _access(lab, namespace)
    address = f"{LOOPBACK}:{lab.port()}"
    variables = ["WATCH_NAMESPACE=", f"POD_NAMESPACE={namespace}", f"KEDA_CLUSTER_OBJECT_NAMESPACE={namespace}"]
    arguments = [f"--kubeconfig={access}", f"--cert-dir={_certificates(lab.folder / 'keda-certs')}"]
    arguments += [f"--metrics-service-bind-address={LOOPBACK}:{lab.port()}", "--metrics-bind-address=0"]
    process = lab.start("keda", ["env", *variables, str(program), *arguments, f"--health-probe-bind-address={address}"])
    wait(lambda: answers(f"http://{address}/readyz"), "KEDA's operator (see its log)")
    api = client.CustomObjectsApi(lab.client)
    for place in places:
        body = scaled_object(place, prometheus_url)
        api.create_namespaced_custom_object(_GROUP, "v1alpha1", place.namespace, _KINDS, body)
    return process


def scaled_object(place: Place, prometheus_url: str) -> Object:
    """Return the ScaledObject of a place: its window is the whole day, as for the gates beside it."""
    pods = f'namespace="{place.namespace}",pod=~"{place.name}-.*"'
    free = f'min(DCGM_FI_DEV_FB_FREE{{UUID="{card_uuid(place)}"}})'
    own = f"(sum(gpu_pod_memory_used_bytes{{{pods}}}) / 2^20 or vector(0))"
    window = {"timezone": "Etc/UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "1"}
    room = {"serverAddress": prometheus_url, "query": f"{free} + {own} >= bool {_GUARD_MIB}", "threshold": "1"}
    formula = {"formula": "window > 0.0 && room > 0.0 ? 1.0 : 0.0", "target": "1", "activationTarget": "0"}
    spec: dict[str, Any] = {
        "scaleTargetRef": {"name": place.name},
        "minReplicaCount": 0,
        "maxReplicaCount": 1,
        "advanced": {"scalingModifiers": formula},
        "triggers": [
            {"type": "cron", "name": "window", "metadata": window},
            {"type": "prometheus", "name": "room", "metadata": room},
        ],
    }
    metadata = {"name": place.name, "namespace": place.namespace}
    return {"apiVersion": f"{_GROUP}/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": spec}


def _access(lab: Lab, namespace: str) -> Path:
    """Make the operator's account and return its kubeconfig."""
    group = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": namespace}
    rights = {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [account],
    }
    metadata = {"name": ACCOUNT, "namespace": namespace}
    lab.create([{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, rights])
    told = yaml.safe_load(lab.kubeconfig.read_text(encoding="utf-8"))
    token = lab.write_token(namespace, ACCOUNT)
    told["users"] = [{"name": one["name"], "user": {"tokenFile": str(token)}} for one in told["users"]]
    path = lab.folder / "keda.kubeconfig"
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    return path


def _definitions() -> list[Object]:
    """Return KEDA's CustomResourceDefinitions, as they lie in its module."""
    command = ["go", "list", "-m", "-f", "{{.Dir}}", _MODULE]
    told = subprocess.run(command, cwd=MODULES / "keda", capture_output=True, text=True, check=False)
    files = sorted((Path(told.stdout.strip()) / "config" / "crd" / "bases").glob("*.yaml"))
    if told.returncode or not files:
        raise BenchError(f"KEDA's definitions were not found in its module: {told.stderr.strip()}")
    return [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]


def _certificates(folder: Path) -> Path:
    """Write what the operator's own gRPC server wants, which nobody asks here."""
    folder.mkdir()
    keys = Pki(folder)
    keys.create()
    keys.certificate.rename(folder / "tls.crt")
    keys.key.rename(folder / "tls.key")
    return folder
