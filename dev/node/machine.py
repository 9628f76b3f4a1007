"""Whether a real node can run on this machine, in a sentence for a person, and the packages that it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev.node import cgroups
from dev.setup import system

CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"), Path("/usr/libexec/cni"))
"""Where Debian, the plugins' own releases and Fedora put them."""

CNI_PLUGINS = ("bridge", "host-local", "loopback")

NAMESPACES = ("--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL", "--mount-proc")
"""Options of unshare: with --kill-child the kernel ends everything inside with the process outside."""

_PROBE = (
    "ip link add probe type bridge && mount -t tmpfs tmpfs /run && mkdir /run/up /run/work && "
    "mount -t overlay overlay -o lowerdir=/var,upperdir=/run/up,workdir=/run/work /var"
)


def obstacle() -> str | None:
    """Return why no real node can run here, None where one can once its packages are installed."""
    for reason in (_system(), _cgroups(), _namespaces(), _packages()):
        if reason:
            return reason
    return None


def cni_folder() -> Path | None:
    """Return the folder that has the network plugins."""
    return next((one for one in CNI_FOLDERS if all((one / name).is_file() for name in CNI_PLUGINS)), None)


def missing() -> list[str]:
    """Return the Debian packages whose programs are not here."""
    found = {name: shutil.which(program) is not None for name, program in system.NODE.items()}
    found["containernetworking-plugins"] = cni_folder() is not None
    return sorted(name for name, here in found.items() if not here)


def provide() -> None:
    """Install what is missing and say so; raises SetupError."""
    packages = missing()
    if packages:
        system.install(packages)


def _system() -> str | None:
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root, for namespaces, cgroups and mounts"
    absent = [name for name in ("unshare", "setpriv", "ip", "mount") if shutil.which(name) is None]
    return f"it needs {' and '.join(absent)} (util-linux, iproute2)" if absent else None


def _cgroups() -> str | None:
    roots = cgroups.hierarchies()
    closed = [str(root) for root in roots if not os.access(root, os.W_OK)]
    return None if roots and not closed else f"it needs cgroups to write to: {', '.join(closed) or 'none is mounted'}"


def _namespaces() -> str | None:
    command = ["unshare", *NAMESPACES, "sh", "-c", _PROBE]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split()) or f"unshare ended with {done.returncode}"
    return f"it needs namespaces with a bridge, a tmpfs and an overlay: {said}"


def _packages() -> str | None:
    return None if shutil.which("apt-get") else "it needs apt-get: its images are made from Debian's packages"
