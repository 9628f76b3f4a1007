"""`python -m dev.gate`: run the gate that is deployed in the local cluster as a process here, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

from kubernetes import config
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import NotFoundError

from .pod import NAME, run

POLL = 0.2


def main() -> int:
    """Run it and follow its log; the exit status is 0 when a person ended it."""
    if "KUBECONFIG" not in os.environ:
        print("KUBECONFIG is not set: start the local cluster with `make cluster`, then run `. .cluster/env`")
        return 2
    kubeconfig = Path(os.environ["KUBECONFIG"])
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        client = config.new_client_from_config(str(kubeconfig))
        kube = DynamicClient(client, cache_file=f"{folder}/discovery.json")
        try:
            gate = run(kube, kubeconfig, Path(folder) / "pod")
        except NotFoundError:
            print(f"no gate is deployed in the namespace {NAME}: run playbooks/site.yml first")
            return 2
        with contextlib.suppress(KeyboardInterrupt), (gate.folder / "stdout").open(encoding="utf-8") as log:
            while gate.process.poll() is None:
                sys.stdout.write(log.read())
                sys.stdout.flush()
                time.sleep(POLL)
        ended = gate.process.poll()
        gate.close()
        print(gate.complaints(), end="")
        return 0 if ended is None else ended


if __name__ == "__main__":
    sys.exit(main())
