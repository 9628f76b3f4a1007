"""The command line of `python -m dev.cluster`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.cluster import interrupts
from dev.cluster.cluster import Cluster, programs
from dev.cluster.errors import ClusterError
from dev.cluster.options import CHECKOUT, Options
from dev.cluster.progress import Progress
from dev.cluster.scrape import EXPORTERS
from dev.cluster.status import table


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit status is 0 when it succeeded (`status`: when everything runs)."""
    arguments = _parser().parse_args(argv)
    progress = Progress()
    cluster = Cluster(arguments.dir, progress)
    interrupts.install()
    if not sys.platform.startswith("linux"):
        progress.say("the local cluster needs Linux: it tells its processes apart by /proc and pidfds")
        return 2
    try:
        if arguments.command == "status":
            text, healthy = table(cluster.layout)
            sys.stdout.write(f"{text}\n")
            return 0 if healthy else 1
        if arguments.command == "down":
            cluster.down()
        elif arguments.command == "fetch":
            programs(Options(), progress)
        else:
            cluster.up(_options(arguments))
    except ClusterError as error:
        progress.say(f"ERROR: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("interrupted")
        return 130
    return 0


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        scenario=arguments.scenario.resolve(),
        exporters=tuple(arguments.exporters),
        scrape_interval=arguments.scrape_interval,
        honor_labels=arguments.honor_labels,
        real_node=arguments.real_node,
    )


def _exporters(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in EXPORTERS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: write one or more of {', '.join(EXPORTERS)}, with commas between")
    return names


def _parser() -> argparse.ArgumentParser:
    defaults = Options()
    parser = argparse.ArgumentParser(
        prog="python -m dev.cluster", description="The local cluster with a simulated GPU."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start it, or mend what is missing; quick when all of it runs")
    down = commands.add_parser("down", help="stop all of it and remove its data")
    status = commands.add_parser("status", help="list what runs")
    fetch = commands.add_parser("fetch", help="only have its programs ready: found, downloaded or built")
    for command in (up, down, status, fetch):
        command.add_argument(
            "--dir", type=Path, default=CHECKOUT / ".cluster", help="folder of the cluster (%(default)s)"
        )
    up.add_argument("--scenario", type=Path, default=defaults.scenario, help="what the card carries (%(default)s)")
    up.add_argument(
        "--exporters",
        type=_exporters,
        default=list(defaults.exporters),
        help=f"which pages Prometheus scrapes: {', '.join(EXPORTERS)} ({','.join(defaults.exporters)})",
    )
    up.add_argument("--scrape-interval", type=int, choices=(1, 2), default=defaults.scrape_interval, help="seconds")
    up.add_argument("--honor-labels", action="store_true", help="keep the exporters' own namespace and pod labels")
    up.add_argument("--real-node", action="store_true", help="a real kubelet, inside of `python -m dev.node run`")
    return parser
