"""`site.yml` for the first time and with nothing to do, beside the other ways to apply the same objects."""

from __future__ import annotations

import json
from functools import partial

from dev.bench.applying import EMPTY, KUBECTL, MODULE, ONE_CALL, TASK_EACH, Contest
from dev.bench.model import AT_LEAST, AT_MOST, Goal
from dev.bench.objects import applied, elsewhere
from dev.bench.rounds import Variant
from dev.bench.running import CHECKOUT, Ansible

SITE = "site.yml"
_CALLBACK = CHECKOUT / "tests" / "integration" / "callback_plugins"


def measure_site(contest: Contest, *, quick: bool) -> None:
    """Measure it; the other ways apply copies of its objects in namespaces of their own."""
    ways = contest.ways
    site = partial(_play, ways.ansible)
    results = ways.folder / "site.json"
    site(
        ANSIBLE_CALLBACK_PLUGINS=str(_CALLBACK),
        ANSIBLE_CALLBACKS_ENABLED="results",
        TEST_RESULTS_FILE=str(results),
    )
    objects = applied(json.loads(results.read_text(encoding="utf-8"))["tasks"])
    own = [body["metadata"]["name"] for body in objects if body["kind"] == "Namespace"]
    others = ways.available(MODULE, KUBECTL, ONE_CALL, TASK_EACH)
    rounds = 1 if quick else 3
    paths = {
        (way, index): ways.write(f"site-{column}-{index}", elsewhere(objects, f"{column}-{index}"))
        for column, way in enumerate(others)
        for index in range(rounds)
    }

    def first(_round: int) -> float:
        contest.namespaces.remove(own)
        return site()

    def again(_round: int) -> float:
        return site(says="changed=0 ")

    def other(way: str, number: int) -> float:
        return ways.apply(way, paths[way, number % rounds])

    rest = [Variant(way, partial(other, way), rounds if way == TASK_EACH else None) for way in others]
    case = f"{SITE}, {len(objects)} objects"
    contest.hold(f"{case}, first", [Variant(SITE, first), *rest], rounds, ours=SITE)
    contest.hold(f"{case}, again", [Variant(SITE, again), *rest], 2 if quick else 5, ours=SITE)
    _goals(contest, f"{case}, again")


def _goals(contest: Contest, case: str) -> None:
    found = {ratio.name: ratio.value for ratio in contest.outcome.ratios if ratio.case == case}
    least = f"{SITE} with nothing to do / ({KUBECTL} of the same objects + {EMPTY})"
    contest.outcome.goals.append(Goal(least, AT_MOST, 3, found.get(contest.least)))
    faster = f"{TASK_EACH} / {SITE} with nothing to do"
    contest.outcome.goals.append(Goal(faster, AT_LEAST, 8, found.get(contest.faster)))


def _play(ansible: Ansible, says: str = "failed=0", **environ: str) -> float:
    inventory = str(CHECKOUT / "inventories" / "demo")
    return ansible.play(CHECKOUT / "playbooks" / SITE, "-i", inventory, says=says, **environ)
