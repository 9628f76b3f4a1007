"""Applying 1 to 100 objects for the first time and again, and `site.yml` with the same objects."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from dev.bench.applying import EMPTY, KUBECTL, MODULE, ONE_CALL, TASK_EACH, Contest, Ways
from dev.bench.model import Outcome
from dev.bench.objects import tenants
from dev.bench.rounds import Variant
from dev.bench.running import Ansible
from dev.bench.site import measure_site
from dev.bench.temporary import Namespaces, Workshop, running_cluster

_SIZES = {1: (5, 5), 10: (5, 3), 40: (3, 1), 100: (3, 1)}
"""By number of objects: the rounds, and those with a task per object, which takes 0.5 s for each."""
_QUICK = {1: (2, 2), 10: (2, 1)}


def bench(shop: Workshop) -> Outcome:
    """Measure all of it on a cluster of its own."""
    outcome = Outcome("apply", "Apply objects, and apply them again")
    with running_cluster(shop) as environ:
        kubeconfig = Path(environ["KUBECONFIG"])
        folder = shop.folder / "apply"
        folder.mkdir()
        ansible = Ansible(folder / "ansible", {**environ, "K8S_AUTH_KUBECONFIG": str(kubeconfig)})
        ways = Ways(folder, ansible, kubeconfig, shop.programs.kubectl)
        if not ways.kubectl:
            outcome.notes.append("kubectl is not on the PATH: what it takes was not measured.")
        contest = Contest(outcome, ways, Namespaces(kubeconfig), shop.progress)
        _warm_up(contest)
        for number, (rounds, slow) in (_QUICK if shop.quick else _SIZES).items():
            _measure(contest, number, rounds, slow)
        measure_site(contest, quick=shop.quick)
    return outcome


def _warm_up(contest: Contest) -> None:
    """Let everybody learn what the API server has, and compile what they import."""
    contest.namespaces.create("warm-up")
    path = contest.ways.write("warm-up", tenants("warm-up", 1))
    for way in contest.ways.available(MODULE, KUBECTL, ONE_CALL, EMPTY):
        contest.ways.apply(way, path)


def _measure(contest: Contest, number: int, rounds: int, slow: int) -> None:
    """Measure so many objects; each way has a new namespace in each round."""
    ways = contest.ways.available(MODULE, KUBECTL, ONE_CALL, TASK_EACH)
    paths = {}
    for column, way in enumerate(ways):
        for index in range(rounds):
            name = f"objects-{number}-{column}-{index}"
            contest.namespaces.create(name)
            paths[way, index] = contest.ways.write(name, tenants(name, number))

    def run(way: str, changed: int, index: int) -> float:
        says = f"changed={changed} " if way == MODULE else "failed=0"
        return contest.ways.apply(way, paths[way, index], says)

    what = "1 object" if number == 1 else f"{number} objects"
    for when, changed in (("first", 1), ("again", 0)):
        variants = [Variant(way, partial(run, way, changed), slow if way == TASK_EACH else None) for way in ways]
        contest.hold(f"{what}, {when}", variants, rounds, ours=MODULE)
