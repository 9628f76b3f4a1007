"""Start the simulated card: read the scenario, follow the API server, serve until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from .fields import ScenarioError
from .machine import Machine
from .parse import load_scenario
from .server import CardServer
from .watcher import Watcher

_STOP = {signal.SIGTERM, signal.SIGINT}


def main() -> int:
    """Exit status 0 after a signal, 2 where the input is wrong."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # the watcher says once that the API server is away
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)  # and wait for them below: a handler could come at a bad time
    try:
        machine = Machine(load_scenario(arguments.scenario.read_text(encoding="utf-8")))
        server = CardServer(arguments.listen, machine)
        watcher = None if arguments.kubeconfig is None else Watcher(arguments.kubeconfig, machine)
    except (OSError, ScenarioError) as error:
        print(f"dev.card: {error}", file=sys.stderr)
        return 2
    if watcher is not None:
        watcher.start()
    threading.Thread(target=server.serve_forever, name="server", daemon=True).start()
    logging.getLogger("dev.card").info("listening on %s:%s", *server.server_address[:2])
    if arguments.port_file is not None:
        write_atomically(arguments.port_file, f"{server.server_address[1]}\n")
    signal.sigwait(_STOP)
    return 0


def write_atomically(path: Path, text: str) -> None:
    """Whoever sees the file sees all of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.card", description="A simulated GPU and its exporters.")
    parser.add_argument("--scenario", type=Path, required=True, help="YAML file: cards and who holds their VRAM")
    parser.add_argument(
        "--kubeconfig", type=_file, help="follow this cluster's pods; without it only the fixed residents"
    )
    parser.add_argument("--listen", type=_address, default=("127.0.0.1", 0), help="HOST:PORT; port 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="write the port here once it is bound")
    return parser.parse_args()


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return path


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


if __name__ == "__main__":
    sys.exit(main())
