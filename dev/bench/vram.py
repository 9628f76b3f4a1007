"""`vram_floor` by cards and residents, with a week of history and without, beside an empty module and one curl."""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from dev.bench.gpu_history import LOOKBACKS, TIMEOUT, WEEK, Size, write
from dev.bench.model import AT_MOST, BenchError, Goal, Outcome, Series
from dev.bench.rounds import Variant, interleave
from dev.bench.running import CHECKOUT, Ansible, timed
from dev.bench.store import Store, fill, serving
from dev.bench.temporary import Workshop

_CARDS, _RESIDENTS = (1, 8, 64, 256), (5, 50, 500)
_SIZES = [Size(cards, residents) for cards in _CARDS for residents in _RESIDENTS]
_QUICK = [Size(1, 5), Size(64, 50)]
EMPTY = "empty module"
_MOST_QUESTIONS = 3
_PATIENCE = 10.0
"""The module's default `timeout` (seconds)."""
_SLOW = 5.0
"""A measurement that takes longer is timed once only (seconds)."""
_COVERED = 0.95 * WEEK


@dataclass(frozen=True)
class Asked:
    """A store with the data of one size, and the ways to ask it."""

    folder: Path
    store: Store
    ansible: Ansible
    curl: str | None
    questions: list[int]
    """How many questions each run of `vram_floor` asked."""

    def floor(self, lookback: str, _round: int) -> float:
        """Run a play of `vram_floor`, which fails unless the plan is safe."""
        before = self.store.questions()
        seconds = self.ansible.play(self.folder / f"{lookback}.yml", says="ok=1 ")
        self.questions.append(self.store.questions() - before)
        return seconds

    def empty(self, _round: int) -> float:
        """Run a play of a module that does nothing."""
        return self.ansible.play(self.folder / "empty.yml", says="ok=1 ")

    def direct(self, lookback: str, _round: int) -> float:
        """Ask the same questions by one curl."""
        return timed([str(self.curl), "--silent", "--show-error", "--config", self.folder / f"{lookback}.curl"]).seconds


def bench(shop: Workshop) -> Outcome:
    """Measure each size on a Prometheus of its own."""
    outcome = Outcome("vram", "vram_floor, by cards and residents over all of them")
    if not shop.programs.curl:
        outcome.notes.append("curl is not on the PATH: what it takes was not measured.")
    questions = []
    for size in _QUICK if shop.quick else _SIZES:
        case = (
            f"{size.cards} cards, {size.residents} residents"
            if size.cards > 1
            else f"1 card, {size.residents} residents"
        )
        folder = shop.folder / f"vram-{size.cards}-{size.residents}"
        folder.mkdir()
        with shop.progress.working(f"{case}: a week of samples"):
            _prepare(shop, folder, size)
        with serving(shop.programs, folder / "data") as store:
            questions.append(_measure(shop, outcome, case, size, folder, store))
        shutil.rmtree(folder)
    _goals(outcome, max(questions))
    return outcome


def _prepare(shop: Workshop, folder: Path, size: Size) -> None:
    samples = folder / "samples.om"
    with samples.open("w", encoding="utf-8") as file:
        write(file, size, int(time.time()))
    fill(shop.programs, samples, folder / "data")
    samples.unlink()


def _measure(shop: Workshop, outcome: Outcome, case: str, size: Size, folder: Path, store: Store) -> int:
    """Add the times of one size to the outcome, and return the most questions that a run asked."""
    (folder / "plan.json").write_text(json.dumps(size.plan()), encoding="utf-8")
    tree = {"PYTHONPATH": f"{CHECKOUT / '.collections'}:{CHECKOUT}"}
    timed([sys.executable, "-m", "dev.bench.asking", store.url, folder], tree)
    waited = []
    for name, lookback in LOOKBACKS.items():
        core = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        _verify(core, size, lookback)
        waited.append(core["waited"])
        outcome.series.append(Series(case, f"core alone, {name}", tuple(core["seconds"])))
        _write_play(folder / f"{name}.yml", "sharedgpu.voice.vram_floor", _options(size, store, name))
    _write_play(folder / "empty.yml", "ansible.builtin.ping", {})
    asked = Asked(folder, store, Ansible(shop.folder / "ansible", {}), shop.programs.curl, [])
    asked.floor("0s", 0)  # so that everything is compiled before it is timed
    asked.empty(0)
    variants = [Variant(f"vram_floor, {name}", partial(asked.floor, name)) for name in LOOKBACKS]
    variants.append(Variant(EMPTY, asked.empty))
    if asked.curl:
        variants.extend(Variant(f"curl, {name}", partial(asked.direct, name)) for name in LOOKBACKS)
    rounds = 1 if max(waited) > _SLOW else 2 if shop.quick else 3
    outcome.series.extend(interleave(case, variants, rounds, shop.progress))
    for name in LOOKBACKS:
        outcome.ratio(case, _ratio(name), f"vram_floor, {name}", EMPTY, f"curl, {name}")
    return max(asked.questions)


def _verify(core: dict[str, Any], size: Size, lookback: int) -> None:
    """Make sure that what is timed is the real thing."""
    found = (core["cards"], core["residents"])
    covered = core["history"]["covered_seconds"]
    if found != (size.cards, size.residents) or (lookback and covered < _COVERED):
        raise BenchError(f"{size}: {found} cards and residents were found, and {covered} s of history")


def _options(size: Size, store: Store, lookback: str) -> dict[str, Any]:
    return {"prometheus_url": store.url, "timeout": TIMEOUT, "lookback": lookback, **size.plan()}


def _write_play(path: Path, module: str, options: dict[str, Any]) -> None:
    play = {"name": "Ask", "hosts": "localhost", "connection": "local", "gather_facts": False}
    tasks = [{"name": "Ask", module: options}]
    path.write_text(yaml.safe_dump([{**play, "tasks": tasks}], sort_keys=False), encoding="utf-8")


def _ratio(lookback: str) -> str:
    return f"vram_floor / ({EMPTY} + curl), {lookback}"


def _goals(outcome: Outcome, questions: int) -> None:
    largest = "256 cards, 500 residents"
    for name in LOOKBACKS:
        found = [ratio for ratio in outcome.ratios if ratio.name == _ratio(name)]
        alone = [ratio.value for ratio in found if ratio.case.startswith("1 card,")]
        large = [ratio.value for ratio in found if ratio.case == largest]
        for where, values, limit in (("one card, the worst", alone, 1.5), (largest, large, 2)):
            outcome.goals.append(Goal(f"{_ratio(name)}: {where}", AT_MOST, limit, max(values, default=None)))
    outcome.goals.append(Goal("questions of one vram_floor to Prometheus", AT_MOST, _MOST_QUESTIONS, questions))
    waited = max((series.median for series in outcome.series if series.variant == "curl, 7d"), default=None)
    text = "the three questions over 7d, the worst size, beside the module's default timeout"
    outcome.goals.append(Goal(text, AT_MOST, _PATIENCE, waited, " s"))
