"""How soon a tenant leaves: from a step in VRAM until a watch of the API server sees the target at 0 replicas.

All settings run side by side on one cluster, each with a gate, targets and cards of its own, and beside them the engine
`cronjobs` on the role's default schedule and on the quickest one that there is, and KEDA where that is wished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from dev.bench import gate_keda
from dev.bench.gate_jobs import Kubelet
from dev.bench.gate_lab import Lab, laboratory
from dev.bench.gate_objects import Place, cron_job, deployment, plan
from dev.bench.gate_trials import Contender, Watcher, hold
from dev.bench.machine import load
from dev.bench.model import AT_LEAST, AT_MOST, BenchError, Goal, Outcome, Series, Table
from dev.bench.temporary import Workshop, running_cluster

_GATE = {"min_run": "0s", "cool_down": "0s", "max_transitions_per_hour": 10000}
_JOBS = {"*/5 * * * *": (300, 50, 1), "* * * * *": (60, 25, 2)}
"""By schedule: its period (seconds), how many targets, and how many trials each."""
_PEER_SCRAPE = 5
_DEFAULT_JOBS = "CronJobs, */5 * * * *"
_KEDA = "KEDA with its defaults"
_KEDA_TRIALS = (50, 1)
"""Targets of KEDA, and trials of each: one takes more than five minutes."""


@dataclass(frozen=True)
class Setting:
    """A gate that looks every `tick` seconds at what is scraped every `scrape` seconds, 0: at the exporters."""

    scrape: int
    tick: int

    @property
    def name(self) -> str:
        """Return how it is called in the tables."""
        source = f"Prometheus, scrape {self.scrape} s" if self.scrape else "direct"
        return f"{source}, tick {self.tick} s"

    @property
    def namespace(self) -> str:
        """Return the namespace of its gate and its targets."""
        return f"gate-{self.scrape}-{self.tick}"


_FULL = [Setting(scrape, tick) for scrape in (0, 1, 5, 15) for tick in (1, 5, 15)]
_QUICK = [Setting(0, 1), Setting(1, 1), Setting(_PEER_SCRAPE, 5)]
_TRIALS = (8, 7)
_QUICK_TRIALS = (4, 2)
"""Targets of a gate, and trials of each."""
_COMPARED = Setting(_PEER_SCRAPE, 5)


def bench(shop: Workshop) -> Outcome:
    """Hold all trials."""
    settings = _QUICK if shop.quick else _FULL
    targets, rounds = _QUICK_TRIALS if shop.quick else _TRIALS
    outcome = Outcome("gate-reaction", "The gate's reaction to a step in VRAM")
    operator = gate_keda.operator(shop) if shop.keda else None
    with (
        running_cluster(shop) as found,
        laboratory(shop.folder / "lab", Path(found["KUBECONFIG"])) as lab,
        shop.progress.working(f"{targets * rounds} trials of {len(settings)} settings"),
    ):
        places = {setting: _places(setting.namespace, targets) for setting in settings}
        jobs = {} if shop.quick else {schedule: _places(_slug(schedule), _JOBS[schedule][1]) for schedule in _JOBS}
        keda = _places("keda", _KEDA_TRIALS[0]) if operator else []
        everybody = [place for some in (*places.values(), *jobs.values(), keda) for place in some]
        _prepare(lab, everybody)
        watcher = Watcher(lab, everybody)
        prometheus = shop.programs.path("prometheus")
        contenders = []
        for scrape in sorted({setting.scrape for setting in settings}):
            group = {setting: some for setting, some in places.items() if setting.scrape == scrape}
            contenders += _gates(lab, prometheus, scrape, group, rounds)
        kubelets = _cron_jobs(lab, prometheus, jobs, contenders)
        if operator:
            contenders.append(_keda(lab, prometheus, operator, keda))
        reactions = hold(watcher, contenders)
    for name, values in reactions.items():
        shop.progress.say(f"{name}: median {median(values):.2f} s, p99 {_p99(values):.2f} s of {len(values)} trials")
    _tell(outcome, reactions, settings)
    runs, failed = (sum(len(one.runs.statuses) for one in kubelets), sum(one.runs.failed for one in kubelets))
    if runs:
        outcome.notes.append(f"The CronJobs made {runs} Jobs, of which {failed} did not end well.")
    outcome.notes.append(load())
    return outcome


def _places(namespace: str, number: int) -> list[Place]:
    return [Place(f"t{index}-{namespace}", namespace) for index in range(number)]


def _slug(schedule: str) -> str:
    return f"jobs-{_JOBS[schedule][0]}"


def _prepare(lab: Lab, places: Sequence[Place]) -> None:
    for namespace in dict.fromkeys(place.namespace for place in places):
        lab.account(namespace)
    lab.create(map(deployment, places))


def _gates(lab: Lab, prometheus: Path, scrape: int, group: dict[Setting, list[Place]], rounds: int) -> list[Contender]:
    """Start the gates that look at the same cards' pages, and return them."""
    card = lab.card(f"card-{scrape}", [place for some in group.values() for place in some])
    url = lab.prometheus(prometheus, f"prometheus-{scrape}", card, scrape) if scrape else None
    pages = [f"--exporter={card}/metrics/{name}" for name in ("dcgm", "gpu-pod-exporter")]
    found = []
    for setting, places in group.items():
        told = plan(places, url, {**_GATE, "tick": f"{setting.tick}s"})
        lab.gate(setting.namespace, told, *([f"--prometheus={url}"] if url else pages))
        found.append(Contender(setting.name, places, card, max(scrape, setting.tick), rounds))
    return found


def _cron_jobs(lab: Lab, prometheus: Path, jobs: dict[str, list[Place]], contenders: list[Contender]) -> list[Kubelet]:
    """Make the CronJobs, admit their targets now instead of at the first schedule, and add them to the contenders."""
    if not jobs:
        return []
    card = lab.card("card-jobs", [place for some in jobs.values() for place in some])
    url = lab.prometheus(prometheus, "prometheus-jobs", card, _PEER_SCRAPE)
    kubelets = []
    for schedule, places in jobs.items():
        period, _targets, rounds = _JOBS[schedule]
        name = _slug(schedule)
        command = lab.command(name, plan(places, url, _GATE), f"--prometheus={url}", "--once")
        if lab.start(name, command).wait(180):
            raise BenchError(f"the first look of {name} did not succeed, see its log")
        kubelets.append(Kubelet(lab, name, name, command))
        lab.create([cron_job(name, name, schedule)])
        contenders.append(Contender(f"CronJobs, {schedule}", places, card, period, rounds))
    return kubelets


def _keda(lab: Lab, prometheus: Path, operator: Path, places: list[Place]) -> Contender:
    card = lab.card("card-keda", places)
    url = lab.prometheus(prometheus, "prometheus-keda", card, _PEER_SCRAPE)
    gate_keda.scale(lab, operator, "keda", places, url)
    return Contender(_KEDA, places, card, gate_keda.POLLING, _KEDA_TRIALS[1])


def _tell(outcome: Outcome, reactions: dict[str, list[float]], settings: Sequence[Setting]) -> None:
    rows, beyond = [], []
    limits = {setting.name: setting.scrape + setting.tick for setting in settings}
    ours = median(reactions[_COMPARED.name])
    for name, found in reactions.items():
        outcome.series.append(Series(name, "reaction", tuple(found)))
        late = _p99(found)
        if name in limits:
            beyond.append(late - limits[name])
        limit = f"{limits[name] + 1}" if name in limits else ""
        rows.append((name, f"{median(found):.2f}", f"{late:.2f}", limit, f"{median(found) / ours:.1f}"))
    header = ("seconds", "median", "p99", "scrape + tick + 1", f"beside {_COMPARED.name}")
    outcome.tables.append(Table(header, tuple(rows)))
    what = f"gate-reaction: median of {{}} / {_COMPARED.name}"
    outcome.goals += [
        Goal("gate-reaction: p99 beyond scrape + tick, the worst setting", AT_MOST, 1, max(beyond), " s"),
        *(
            Goal(what.format(name), AT_LEAST, least, median(reactions[name]) / ours if name in reactions else None)
            for name, least in ((_DEFAULT_JOBS, 10), (_KEDA, 5))
        ),
    ]


def _p99(values: Sequence[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]
