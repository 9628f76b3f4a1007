"""Processes by identity: a pid alone may name somebody else's process by now.

Linux only: start times and environments come from /proc, signals go through pidfds, which cannot hit a recycled pid.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARKER = "SHAREDGPU_CLUSTER_DIR"
"""Environment variable that every process of a cluster carries, so that strays can be told from others."""

_LISTENING = "0A"
"""TCP_LISTEN in /proc/net/tcp."""


@dataclass(frozen=True)
class ProcessId:
    """One process: its pid, its start in clock ticks since boot, and the boot."""

    pid: int
    started: int
    boot: str


def boot_id() -> str:
    """Return the id that the kernel gives to this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def identify(pid: int) -> ProcessId | None:
    """Return the identity of a live process, None for a zombie or nobody."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # the name before may hold spaces and brackets
    return None if fields[0] in "ZX" else ProcessId(pid, int(fields[19]), boot_id())


def is_running(process: ProcessId) -> bool:
    """Tell whether exactly this process still runs."""
    return identify(process.pid) == process


def resident_bytes(process: ProcessId) -> int:
    """Return the resident memory in bytes, 0 once it is gone."""
    try:
        pages = Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def stop(process: ProcessId, grace: float) -> bool:
    """End exactly this process and wait for its exit; False where it had to be killed after `grace` seconds."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not is_running(process):
            return True
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if _exited(handle, grace):
            return True
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        _exited(handle, grace)
        return False
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)


def listens(process: ProcessId, port: int) -> bool:
    """Tell whether this very process listens on the IPv4 port: an answer alone could come from somebody else."""
    sockets = set()
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
            sockets.add(f"socket:[{fields[9]}]")
    return is_running(process) and not sockets.isdisjoint(_open_files(process.pid))


def marked(cluster: Path) -> Iterator[ProcessId]:
    """Yield the live processes that carry the marker of this cluster folder."""
    wanted = f"{MARKER}={cluster}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        process = identify(int(entry.name)) if wanted in environment else None
        if process is not None:
            yield process


def _open_files(pid: int) -> Iterator[str]:
    with suppress(OSError):  # it ended
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # it closed this one
                yield str(link.readlink())


def _exited(handle: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
