"""What a gate costs while nothing changes, over real time, beside the engine `cronjobs` and a cluster without a gate.

The clusters run at the same time, each with a tenant that is admitted and stays; with KEDA there is a fourth.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from kubernetes import client

from dev.bench import gate_keda
from dev.bench.gate_counts import Counts, counts, cpu_seconds, memory
from dev.bench.gate_jobs import Kubelet
from dev.bench.gate_lab import Lab, laboratory, wait
from dev.bench.gate_objects import ACCOUNT, VERBS, Place, cron_job, deployment, flow_schema, plan, scenario
from dev.bench.model import AT_MOST, BenchError, Goal, Outcome, Table
from dev.bench.temporary import Workshop, running_cluster

_QUICK = 2.0
"""How long is counted in a quick run (minutes)."""
_TICK = 5
_GATE = "gate"
_PLACE = Place("tts", "tts")
_SETTLE = 20.0
_WRITES = ("patch", "create", "update", "delete")


@dataclass
class Site:
    """A cluster with a tenant that runs, and who looks after it."""

    root: Path
    lab: Lab
    api: client.ApiClient
    process: subprocess.Popen[bytes] | None = None
    """The gate's program, or KEDA's, where it goes on until the end."""
    kubelet: Kubelet | None = None

    def cpu_seconds(self) -> float:
        """Return the processor time of the gate's programs so far."""
        if self.process is not None:
            return cpu_seconds([self.process.pid])
        return sum(self.kubelet.runs.cpu_seconds) if self.kubelet else 0.0

    def memory(self) -> float | None:
        """Return the most memory that the gate had (MiB), None where there is no process that goes on."""
        return memory(self.process.pid, "VmHWM") if self.process else None


def bench(shop: Workshop) -> Outcome:
    """Count for as long as the workshop says."""
    minutes = _QUICK if shop.quick else shop.minutes
    title = f"The gate while nothing changes, over {minutes:g} minutes"
    outcome = Outcome("gate-steady", title)
    operator = gate_keda.operator(shop) if shop.keda else None
    names = ("idle", "reconciler", "cronjobs", *(("keda",) if operator else ()))
    with ExitStack() as stack:
        sites = {name: stack.enter_context(site(shop, name)) for name in names}
        _start(sites["reconciler"])
        if operator:
            _start_keda(sites["keda"], operator)
        schedule = "* * * * *" if shop.quick else "*/5 * * * *"
        kubelet = _start_jobs(sites["cronjobs"], schedule)
        with shop.progress.working(f"the tenants to settle, then counting for {minutes:g} minutes"):
            time.sleep(_SETTLE)
            before = {name: (_counts(one), one.cpu_seconds()) for name, one in sites.items()}
            time.sleep(60 * minutes)
            after = {name: (_counts(one), one.cpu_seconds()) for name, one in sites.items()}
        found = {name: after[name][0].since(before[name][0]) for name in sites}
        used = {name: after[name][1] - before[name][1] for name in sites}
        runs = kubelet.runs
        most = {name: one.memory() for name, one in sites.items()}
    _tell(outcome, found, used, most, 60 * minutes)
    if runs.failed:
        raise BenchError(f"{runs.failed} of {len(runs.statuses)} Jobs did not end well")
    outcome.notes.append(f"The CronJobs looked by the schedule `{schedule}`, the gate every {_TICK} s.")
    if operator:
        outcome.notes.append(f"KEDA looked every {gate_keda.POLLING} s; its operator's account is an administrator.")
    return outcome


@contextmanager
def site(shop: Workshop, name: str) -> Iterator[Site]:
    """Give a cluster with a tenant at 1 replica and the flow schemas that count the gate's requests."""
    file = shop.folder / f"{name}.yml"
    file.write_text(yaml.safe_dump(scenario([_PLACE])), encoding="utf-8")
    root = shop.folder / name
    with (
        running_cluster(shop, name, f"--scenario={file}") as found,
        laboratory(shop.folder / f"{name}-lab", Path(found["KUBECONFIG"])) as lab,
    ):
        lab.namespace(_PLACE.namespace)
        lab.account(_GATE)
        account = gate_keda.ACCOUNT if name == "keda" else ACCOUNT
        lab.create([*(flow_schema(account, _GATE, verb) for verb in VERBS), deployment(_PLACE)])
        yield Site(root, lab, lab.client)


def _counts(one: Site) -> Counts:
    return counts(one.root, one.lab.api_metrics(), _GATE)


def _prometheus(one: Site) -> str:
    words = (one.root / "env").read_text(encoding="utf-8").split()
    return next(word.partition("=")[2] for word in words if word.startswith("PROMETHEUS_URL="))


def _start(one: Site) -> None:
    url = _prometheus(one)
    one.process = one.lab.gate(_GATE, plan([_PLACE], url, {"tick": f"{_TICK}s"}), f"--prometheus={url}").process
    wait(lambda: _runs(one), "the tenant to be admitted by the gate")
    wait(lambda: _counts(one).requests["list"], "the API server to count the gate's requests")


def _start_keda(one: Site, operator: Path) -> None:
    one.process = gate_keda.scale(one.lab, operator, _GATE, [_PLACE], _prometheus(one))
    wait(lambda: _runs(one), "the tenant to be admitted by KEDA", within=3 * gate_keda.POLLING)


def _start_jobs(one: Site, schedule: str) -> Kubelet:
    url = _prometheus(one)
    command = one.lab.command(_GATE, plan([_PLACE], url, {}), f"--prometheus={url}", "--once")
    one.kubelet = kubelet = Kubelet(one.lab, _GATE, "guard", command)
    one.lab.create([cron_job(_GATE, "guard", schedule)])
    wait(lambda: _runs(one), "the tenant to be admitted by the first Job", within=400)
    return kubelet


def _runs(one: Site) -> bool:
    found = client.AppsV1Api(one.api).read_namespaced_deployment_status(_PLACE.name, _PLACE.namespace)
    return bool(found.status and found.status.ready_replicas == 1)


def _tell(
    outcome: Outcome, found: dict[str, Counts], used: dict[str, float], most: dict[str, float | None], seconds: float
) -> None:
    rows: list[tuple[str, ...]] = [
        (f"API requests, {verb}", *(f"{one.requests[verb]}" for one in found.values()))
        for verb in VERBS
        if any(one.requests[verb] for one in found.values())
    ]
    rows += [
        ("writes to etcd, the whole cluster", *(f"{one.etcd_puts}" for one in found.values())),
        ("pods created", *(f"{one.pods}" for one in found.values())),
        ("Prometheus queries", *(f"{one.queries}" for one in found.values())),
        ("CPU seconds of the gate", *(f"{value:.2f}" for value in used.values())),
        ("CPU seconds of the control plane", *(f"{one.control_plane_seconds:.1f}" for one in found.values())),
        ("most memory of the gate, MiB", *("" if value is None else f"{value:.1f}" for value in most.values())),
    ]
    names = {"idle": "no gate", "reconciler": "the gate", "cronjobs": "CronJobs", "keda": "KEDA"}
    outcome.tables.append(Table(("", *(names[name] for name in found)), tuple(rows)))
    ours = found["reconciler"]
    writes = sum(ours.requests[verb] for verb in _WRITES)
    outcome.goals += [
        Goal("gate-steady: writes of the gate to the API server", AT_MOST, 0, writes),
        Goal("gate-steady: most memory of the gate", AT_MOST, 40, most["reconciler"], " MiB"),
        Goal("gate-steady: CPU per second, tick 5 s", AT_MOST, 5, 1000 * used["reconciler"] / seconds, " ms"),
    ]
