"""`python -m dev.bench`: measure, and write the figures as JSON and as Markdown."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from dev.bench import apply, demo, gate_reaction, gate_scale, gate_soak, gate_steady, local_cluster, vram
from dev.bench.kept import from_json, to_json
from dev.bench.machine import facts
from dev.bench.model import BenchError, Outcome, Results, Run
from dev.bench.programs import Programs
from dev.bench.render import document, goals_met
from dev.bench.running import CHECKOUT
from dev.bench.temporary import Workshop
from dev.cluster.errors import ClusterError
from dev.cluster.progress import Progress

BENCHES: dict[str, Callable[[Workshop], Outcome]] = {
    "cluster": local_cluster.bench,
    "demo": demo.bench,
    "apply": apply.bench,
    "vram": vram.bench,
    "gate-reaction": gate_reaction.bench,
    "gate-scale": gate_scale.bench,
    "gate-soak": gate_soak.bench,
    "gate-steady": gate_steady.bench,
}
MINUTES = {
    "cluster": (0.5, 0.3),
    "demo": (1.5, 0.7),
    "apply": (6, 1),
    "vram": (7, 1),
    "gate-reaction": (15, 2),
    "gate-scale": (4, 1.5),
    "gate-soak": (6, 1),
    "gate-steady": (68, 5),
}
"""What each costs on two cores: in full, and quickly."""


def main(argv: Sequence[str]) -> int:
    """Run the benchmarks; a missed goal is a result and no failure."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, _terminate)
    progress = Progress()
    if arguments.merge:
        results = from_json(json.loads(arguments.merge.read_text(encoding="utf-8")))
        return _finish(arguments.out or CHECKOUT / "docs", results, [], progress, keep=True)
    names = arguments.only or list(BENCHES)
    minutes = sum(MINUTES[name][arguments.quick] for name in names)
    progress.say(f"measuring {', '.join(names)}: about {minutes:g} minutes on a quiet machine of two cores")
    try:
        results = measure(names, arguments, progress)
    except KeyboardInterrupt:
        progress.say("interrupted; nothing was written")
        return 130
    failed = [name for name in names if name not in {outcome.name for outcome in results.outcomes}]
    partial = arguments.quick or arguments.only or failed
    folder = arguments.out or CHECKOUT / ("build/bench" if partial else "docs")
    return _finish(folder, results, failed, progress, keep=bool(arguments.only))


def _finish(folder: Path, results: Results, failed: Sequence[str], progress: Progress, *, keep: bool) -> int:
    """Write the results, with `keep` beside those of other benchmarks that are there, and return the exit status."""
    kept = folder / "benchmarks.json"
    if keep and kept.exists():
        results = from_json(json.loads(kept.read_text(encoding="utf-8"))).with_new(results, list(BENCHES))
    write(folder, results)
    progress.say(f"{goals_met(list(results.goals))} {folder / 'benchmarks.md'} has the figures.")
    if failed:
        progress.say(f"ERROR: {', '.join(failed)} failed, see above")
    return 1 if failed else 0


def measure(names: Sequence[str], arguments: argparse.Namespace, progress: Progress) -> Results:
    """Run benchmarks one after the other; what they started and wrote is gone afterwards.

    One that fails brings no figures, and the others go on.
    """
    programs = Programs(progress)
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="sharedgpu-bench-") as folder:
        for name in names:
            progress.say(f"=== {name}")
            begin = time.monotonic()
            shop = Workshop(Path(folder), programs, progress, arguments.quick, arguments.minutes, arguments.keda)
            try:
                outcome = BENCHES[name](shop)
            except (BenchError, ClusterError) as error:
                progress.say(f"ERROR: {name}: {error}")
                continue
            outcome.took = time.monotonic() - begin
            outcomes.append(outcome)
    return Results(Run(arguments.date, arguments.quick, facts(programs)), outcomes)


def write(folder: Path, results: Results) -> None:
    """Write benchmarks.json, and the figures into benchmarks.md between its markers."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / "benchmarks.md"
    text = document(page.read_text(encoding="utf-8") if page.exists() else "", results, BENCHES)
    page.write_text(text, encoding="utf-8")
    figures = json.dumps(to_json(results), indent=1, ensure_ascii=False)
    page.with_suffix(".json").write_text(f"{figures}\n", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases and rounds, 3 minutes, to build/bench")
    parser.add_argument(
        "--only",
        choices=list(BENCHES),
        action="append",
        help="this benchmark (again: more), to build/bench; the figures of others that are there stay",
    )
    parser.add_argument(
        "--merge",
        type=Path,
        metavar="FILE",
        help="measure nothing; put the figures of this benchmarks.json into docs (of docs itself: the page anew)",
    )
    parser.add_argument("--minutes", type=float, default=60, help="how long gate-steady counts (%(default)s)")
    parser.add_argument(
        "--keda",
        action="store_true",
        help="gate-reaction, gate-steady: measure KEDA's operator too; Go builds it first, 7 minutes the first time",
    )
    parser.add_argument("--out", type=Path, help="folder for benchmarks.json and benchmarks.md")
    parser.add_argument(
        "--date", default=f"{datetime.now(UTC):%Y-%m-%d}", help="date that the figures carry (%(default)s)"
    )
    return parser


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
