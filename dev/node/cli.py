"""The command line of `python -m dev.node`."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Sequence
from types import FrameType

from dev.cluster.cluster import programs
from dev.cluster.errors import ClusterError
from dev.cluster.options import Options
from dev.cluster.progress import Progress
from dev.node import images, machine
from dev.node.outside import Run
from dev.setup.common import SetupError

UNABLE = 3
"""Exit status where no real node can run."""


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit status of `run` is that of what it ran."""
    arguments = _parser().parse_args(argv)
    progress = Progress()
    reason = machine.obstacle()
    if reason is not None:
        progress.say(f"no real node can run on this machine: {reason}")
        return UNABLE
    if arguments.command == "check":
        progress.say("a real node can run on this machine")
        return 0
    signal.signal(signal.SIGTERM, _terminate)
    try:
        machine.provide()
        programs(Options(real_node=True), progress)
        archive, image = images.provide(progress)
        return 0 if arguments.command == "fetch" else Run(progress)(arguments.words, archive, image)
    except (ClusterError, SetupError) as error:
        progress.say(f"ERROR: {error}")
        return 1
    except KeyboardInterrupt:
        progress.say("interrupted")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.node", description="Namespaces for a real node.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="say whether a real node can run here")
    commands.add_parser("fetch", help="only have its packages, programs and images ready")
    run = commands.add_parser("run", help="run a command inside, then remove everything that it left")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="such as `sh`")
    return parser


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
