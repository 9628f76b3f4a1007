"""What the figures were measured on: no names of hosts, no paths."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from dev.bench.programs import Programs
from dev.bench.running import CHECKOUT

_VERSION = re.compile(r"\d+\.\d+(\.\d+)?")
_MANIFEST = CHECKOUT / ".collections" / "ansible_collections" / "kubernetes" / "core" / "MANIFEST.json"


def facts(programs: Programs) -> dict[str, str]:
    """Return what a reader needs to compare the figures with their own."""
    found = {
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "processor": processor(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "Python": platform.python_version(),
        "ansible-core": version("ansible-core"),
        "kubernetes.core": json.loads(_MANIFEST.read_text(encoding="utf-8"))["collection_info"]["version"],
        "kubernetes (Python)": version("kubernetes"),
        "Kubernetes": _asked([programs.path("kube-apiserver"), "--version"]),
        "Prometheus": _asked([programs.path("prometheus"), "--version"]),
    }
    if programs.kubectl:
        found["kubectl"] = _asked([programs.kubectl, "version", "--client"])
    if programs.curl:
        found["curl"] = _asked([programs.curl, "--version"])
    return found


def load() -> str:
    """Return a sentence about how busy the machine was: above its cores, waits say more of it than of the program."""
    minutes = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"Load average at the end (1, 5, 15 minutes): {minutes} on {os.cpu_count()} cores."


def processor(cpuinfo: str) -> str:
    """Return the name of the processor in the text of /proc/cpuinfo."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return match[1].strip() if match else platform.machine()


def _asked(command: Sequence[str | Path]) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=20, check=False)
    match = _VERSION.search(done.stdout + done.stderr)
    return match[0] if match else "unknown"
