"""`make molecule`: the local cluster everywhere, kind and a real node where the machine can; elsewhere their syntax."""

from __future__ import annotations

import shutil
import sys

from dev.node import machine

from .stage import Check, run_all

NO_DOCKER = "Docker or kind is not on the PATH: of the scenario kind only the configuration is checked here"
NO_NODE = "no real node can run here, so of the scenario node only the syntax is checked: {reason}"
NODE = ("--scenario-name", "node")


def checks() -> tuple[list[Check], list[Check]]:
    """Return a check for each scenario, in two lanes: that of the real node mostly waits for its clock."""
    return [*_kind(), Check("molecule default", ["molecule", "test"])], _node()


def _kind() -> list[Check]:
    if shutil.which("docker") and shutil.which("kind"):
        return [Check("molecule kind", ["molecule", "test", "--scenario-name", "kind"])]
    print(NO_DOCKER)
    return [
        Check("molecule kind: syntax", ["molecule", "syntax", "--scenario-name", "kind"]),
        *(
            Check(f"molecule kind: {name}", ["ansible-playbook", "--syntax-check", f"molecule/kind/{name}.yml"])
            for name in ("create", "destroy")
        ),
    ]


def _node() -> list[Check]:
    reason = machine.obstacle()
    if reason is not None:
        print(NO_NODE.format(reason=reason))
        return [Check("molecule node: syntax", ["molecule", "syntax", *NODE])]
    run = [sys.executable, "-m", "dev.node", "run", "molecule", "test", *NODE]
    return [
        Check("namespaces of the node", ["pytest", "-q", "tests/e2e"]),
        Check("molecule node", run),
    ]


if __name__ == "__main__":
    sys.exit(run_all(*checks()))
