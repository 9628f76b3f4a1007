"""How a look of the gate grows with targets and namespaces: time, requests to the API server, the decision alone."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from dev.bench.gate_lab import Lab, laboratory
from dev.bench.gate_objects import Place, deployment, plan
from dev.bench.machine import load
from dev.bench.model import AT_MOST, BenchError, Goal, Outcome, Series, Table
from dev.bench.running import CHECKOUT, timed
from dev.bench.temporary import Namespaces, Workshop, running_cluster

_LOOKS, _QUICK_LOOKS = 100, 20
_SCRAPE = 5
_GATE = {"tick": "5s", "cool_down": "0s", "min_run": "0s", "max_transitions_per_hour": 1000}


@dataclass(frozen=True)
class Size:
    """So many targets, each on a card of its own, over so many namespaces."""

    targets: int
    namespaces: int

    @property
    def name(self) -> str:
        """Return how it is called in the tables."""
        plural = "" if self.targets == 1 else "s"
        return f"{self.targets} target{plural} in {self.namespaces} namespace{'' if self.namespaces == 1 else 's'}"

    def places(self) -> list[Place]:
        """Return the targets."""
        slug = f"{self.targets}-{self.namespaces}"
        return [Place(f"t{number}", f"scale-{slug}-{number % self.namespaces}") for number in range(self.targets)]


_SIZES = [Size(1, 1), Size(10, 1), Size(10, 10), Size(50, 1), Size(50, 10), Size(50, 50), Size(200, 1), Size(200, 50)]
_QUICK = [Size(1, 1), Size(10, 10), Size(50, 1)]


def bench(shop: Workshop) -> Outcome:
    """Measure each size, one after the other."""
    outcome = Outcome("gate-scale", "A look of the gate, by targets and namespaces")
    looks = _QUICK_LOOKS if shop.quick else _LOOKS
    sizes = _QUICK if shop.quick else _SIZES
    found = {}
    with running_cluster(shop) as environ:
        kubeconfig = Path(environ["KUBECONFIG"])
        for number, size in enumerate(sizes):
            with (
                shop.progress.working(size.name),
                laboratory(shop.folder / f"scale-{number}", kubeconfig) as lab,
            ):
                found[size] = _measure(shop, lab, size, looks)
            used = dict.fromkeys(place.namespace for place in size.places())
            Namespaces(kubeconfig).remove([*used, _account(size)])
    _tell(outcome, found)
    outcome.notes.append(load())
    return outcome


def _account(size: Size) -> str:
    return f"gate-{size.targets}-{size.namespaces}"


def _measure(shop: Workshop, lab: Lab, size: Size, looks: int) -> dict[str, Any]:
    places = size.places()
    for namespace in dict.fromkeys(place.namespace for place in places):
        lab.namespace(namespace)
    lab.account(_account(size))
    lab.create(map(deployment, places))
    card = lab.card("card", places)
    url = lab.prometheus(shop.programs.path("prometheus"), "prometheus", card, _SCRAPE)
    file = lab.folder / "looks.json"
    command = lab.command(_account(size), plan(places, url, _GATE), f"--prometheus={url}")
    arguments = command[command.index("voice.gate") + 1 :]
    tree = {"PYTHONPATH": f"{CHECKOUT / '.collections'}:{CHECKOUT}"}
    timed([sys.executable, "-m", "dev.bench.gate_looks", file, str(looks), *arguments], tree)
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["targets"] != size.targets:
        raise BenchError(f"{size.name}: {found['targets']} were looked at")
    return found


def _tell(outcome: Outcome, found: dict[Size, dict[str, Any]]) -> None:
    rows = []
    for size, told in found.items():
        outcome.series += [
            Series(size.name, "look", tuple(told["looks"])),
            Series(size.name, "decision alone", tuple(told["decisions"])),
        ]
        seconds = (told["cpu"], median(told["looks"]), _p99(told["looks"]), _p99(told["decisions"]))
        times = [1000 * value for value in seconds]
        rows.append((size.name, f"{told['requests']:g}", *(f"{value:.1f}" for value in times)))
    header = ("", "requests of a look", "CPU of a look, ms", "look, ms", "look p99, ms", "decision p99, ms")
    outcome.tables.append(Table(header, tuple(rows)))
    beyond = max(told["requests"] - size.namespaces for size, told in found.items())
    largest = [_p99(told["looks"]) for size, told in found.items() if size.targets == 200]
    outcome.goals += [
        Goal("gate-scale: requests of a look beyond one for each namespace, the worst size", AT_MOST, 1, beyond),
        Goal("gate-scale: p99 of a look at 200 targets, the worst", AT_MOST, 1, max(largest, default=None), " s"),
    ]


def _p99(values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[98]
