"""What `python -m dev.node run` promises: nothing that happens inside reaches or outlives the machine around it.

Needs root; `make molecule` runs it where a real node can run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev.cluster.errors import ClusterError
from dev.cluster.progress import Progress
from dev.node import cgroups, machine
from dev.node.outside import Run
from dev.setup.common import ROOT

pytestmark = pytest.mark.skipif(
    machine.obstacle() is not None, reason=f"no real node can run here: {machine.obstacle()}"
)

# As containerd and the kubelet do: an interface, rules, mounts, files at fixed paths, processes in their own cgroups.
UNTIDY = """
set -e
ip link add sharedgpu-e2e type bridge
iptables -t nat -A POSTROUTING -m comment --comment sharedgpu-e2e -j MASQUERADE
mkdir "$SHAREDGPU_NODE/mounted" /run/sharedgpu-e2e /var/lib/sharedgpu-e2e
mount -t tmpfs tmpfs "$SHAREDGPU_NODE/mounted"
echo 77 > /proc/sys/kernel/panic
while read -r root; do
  mkdir -p "$root/$CGROUP/below"
  setsid sleep 987654321 &
  echo $! > "$root/$CGROUP/below/cgroup.procs"
done < "$ROOTS"
touch "$READY"
"""


class Runner:
    """Starts runs of a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.ready = folder / "ready"
        self.cgroup = Run(Progress(), self.work).cgroup
        self._roots = folder / "roots"
        self._roots.write_text("".join(f"{root}\n" for root in cgroups.hierarchies() if "cpuset" not in root.name))

    def start(self, script: str) -> subprocess.Popen[bytes]:
        code = (
            "import sys; from pathlib import Path; from dev.cluster.progress import Progress; "
            "from dev.node.outside import Run; "
            "import signal; from dev.node.cli import _terminate; signal.signal(signal.SIGTERM, _terminate); "
            "sys.exit(Run(Progress(), Path(sys.argv[1]))(['sh', '-c', sys.argv[2]], Path('/dev/null'), 'none'))"
        )
        environ = {**os.environ, "CGROUP": self.cgroup, "ROOTS": str(self._roots), "READY": str(self.ready)}
        return subprocess.Popen([sys.executable, "-c", code, str(self.work), script], cwd=ROOT, env=environ)

    def left(self) -> list[str]:
        """Return what is still there of a run."""
        found = [str(root / self.cgroup) for root in cgroups.hierarchies() if (root / self.cgroup).exists()]
        found += [str(path) for path in self.work.iterdir() if path.name != "lock"]
        return found + [f"process {pid}" for pid in sleepers()]


def sleepers() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if line.startswith(b"sleep\0987654321"):
            found.append(entry.name)
    return found


def reached() -> list[str]:
    """Return what a run has changed of the machine."""
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout
    found = [path for path in ("/sys/class/net", "/run", "/var/lib") if Path(path, "sharedgpu-e2e").exists()]
    found += ["rules"] if "sharedgpu-e2e" in rules else []
    found += ["mounts"] if "/mounted tmpfs" in Path("/proc/mounts").read_text() else []
    return found + (["kernel"] if Path("/proc/sys/kernel/panic").read_text() == "77\n" else [])


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"waited 60 s in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    yield Runner(tmp_path)
    assert reached() == []


@pytest.mark.parametrize("status", [0, 7])
def test_nothing_is_left_after_success_and_failure(runner: Runner, status: int) -> None:
    with runner.start(f"{UNTIDY}\nexit {status}") as run:
        assert run.wait(60) == status
    assert runner.ready.exists()
    assert runner.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_after_an_interruption(runner: Runner, number: int) -> None:
    with runner.start(f"{UNTIDY}\nsleep 600") as run:
        wait_for(runner.ready.exists, "the run to be in full swing")
        wait_for(sleepers, "what it started to have begun")
        assert reached() == []
        run.send_signal(number)
        assert run.wait(60) != 0
    assert runner.left() == []


def test_a_killed_run_leaves_no_process_and_the_next_one_removes_the_rest(runner: Runner) -> None:
    with runner.start(f"{UNTIDY}\nsleep 600") as run:
        wait_for(runner.ready.exists, "the run to be in full swing")
        run.kill()
    wait_for(lambda: not sleepers(), "the kernel to have ended what was inside")
    assert runner.left() != []
    with runner.start("exit 0") as run:
        assert run.wait(60) == 0
    assert runner.left() == []


def test_two_runs_of_different_checkouts_do_not_meet(tmp_path: Path) -> None:
    runners = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        runners.append(Runner(tmp_path / name))
    script = f'{UNTIDY}\nwhile [ ! -e "{tmp_path}/go" ]; do sleep 0.1; done'
    runs = [runner.start(script) for runner in runners]
    try:
        for runner in runners:
            wait_for(runner.ready.exists, "both to be in full swing")
        (tmp_path / "go").touch()
        assert [run.wait(60) for run in runs] == [0, 0]
    finally:
        for run in runs:
            run.kill()
            run.wait()
    assert [runner.left() for runner in runners] == [[], []]


def test_a_cgroup_that_is_in_use_is_not_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "_WITHIN", 0.2)
    root = next(root for root in cgroups.hierarchies() if "cpuset" not in root.name)
    name = Run(Progress(), tmp_path).cgroup
    cgroups.create(name, [root])
    with subprocess.Popen(["sleep", "600"]) as user:
        (root / name / "cgroup.procs").write_text(str(user.pid))
        with pytest.raises(ClusterError, match="processes are still in it"):
            cgroups.remove(name, [root])
        user.kill()
    monkeypatch.setattr(cgroups, "_WITHIN", 20)
    cgroups.remove(name, [root])
    assert not (root / name).exists()
