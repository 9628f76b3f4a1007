"""Programs of the operating system that the checks run."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .common import SetupError, run, say, step

# Debian's package -> what stands still without it.
NEEDED = {
    "shellcheck": "make lint and make sanity fail",
    "prometheus": "make cluster builds Prometheus from source, which takes minutes",
}

# Debian's package -> its program: for the real node of the tests, which asks for them when it runs and not before.
NODE = {
    "containerd": "containerd",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "runc": "runc",
}


def provide() -> None:
    """Install what is missing where that is possible, else say in one sentence what it means."""
    missing = {name: loss for name, loss in NEEDED.items() if shutil.which(name) is None}
    if importlib.util.find_spec("ensurepip") is None:
        missing["python3-venv"] = "no virtual environment can be made"
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        try:
            install(sorted(missing))
        except SetupError as exc:
            say(str(exc))
        else:
            return
    for name, loss in missing.items():
        say(f"the package {name} is missing, so {loss}; install it with your package manager")


def install(packages: list[str]) -> None:
    """Install Debian packages and nothing in their place: what is there stays. Raises SetupError."""
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(packages)} with apt-get"), _services_stay_down():
        run(["apt-get", "update", "-qq"], "apt-get could not read its package lists", env=env)
        options = ["-y", "-qq", "--no-install-recommends", "--no-remove"]
        run(["apt-get", "install", *options, *packages], "apt-get failed", env=env)


@contextmanager
def _services_stay_down() -> Iterator[None]:
    """Keep Debian from starting the services of what is installed: we need the program, not a server on its port."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()
