"""The first process inside the namespaces: mounts, a network, the command, and an end for orphans.

The kernel ends everything inside with this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dev.node.home import ADDRESS, FOLDER, VARIABLE

_KERNEL = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}
"""What the kubelet wants of the kernel: it finds it in files of ours, and the machine's own settings stay.

https://github.com/kubernetes/kubernetes/blob/v1.36.3/pkg/kubelet/cm/container_manager_linux.go
"""

_TOOLS = ("/usr/sbin", "/sbin")


def main(arguments: Sequence[str]) -> int:
    """`FOLDER COMMAND…`: run the command and return its status."""
    folder, *command = arguments
    _mounts(Path(folder))
    _network()
    path = os.pathsep.join([os.environ["PATH"], *_TOOLS])
    child = subprocess.Popen(command, env={**os.environ, "PATH": path, VARIABLE: str(FOLDER)})
    while True:
        pid, status = os.wait()
        if pid == child.pid:
            return os.waitstatus_to_exitcode(status) % 256


def _mounts(folder: Path) -> None:
    """Hide the machine's runtime files, and keep what is written to /var in memory.

    containerd's shims, the kubelet's plugins and the network plugins have fixed paths there.
    """
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    FOLDER.mkdir()
    _run("mount", "--bind", str(folder), str(FOLDER))
    upper, work = Path("/run/var-upper"), Path("/run/var-work")
    upper.mkdir()
    work.mkdir()
    _run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/var,upperdir={upper},workdir={work}", "/var")
    for number, (name, value) in enumerate(_KERNEL.items()):
        told = Path(f"/run/kernel-{number}")
        told.write_text(f"{value}\n", encoding="ascii")
        _run("mount", "--bind", str(told), f"/proc/sys/{name}")


def _network() -> None:
    """Give the node its address on an interface that leads nowhere, and a route by which services are reached."""
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", "node0", "type", "bridge")
    _run("ip", "address", "add", f"{ADDRESS}/24", "dev", "node0")
    _run("ip", "link", "set", "node0", "up")
    _run("ip", "route", "add", "default", "dev", "node0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")


def _run(*command: str) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
