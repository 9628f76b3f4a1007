"""Starting and stopping components, with shell scripts in the place of the real programs."""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import process
from dev.cluster.component import Component
from dev.cluster.errors import ClusterError, PortTaken
from dev.cluster.layout import Layout
from dev.cluster.progress import Progress
from dev.cluster.supervisor import Supervisor


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.create()
    return made


@pytest.fixture
def supervisor(layout: Layout) -> Iterator[Supervisor]:
    made = Supervisor(layout, Progress(io.StringIO()))
    yield made
    made.stop_strays()
    made.stop(layout.records())


def component(layout: Layout, name: str, script: str = "", **more: Any) -> Component:
    """A component that is ready once it has written its file."""
    sign = layout.data / name
    body = script or f"touch {sign}; exec sleep 600"
    return Component(name, ("sh", "-c", body), "nowhere", sign.exists, **more)


def running(layout: Layout) -> dict[str, process.ProcessId]:
    return {name: one.process for name, one in layout.records().items() if process.is_running(one.process)}


def test_component_waits_for_those_before_it(layout: Layout, supervisor: Supervisor) -> None:
    first = component(layout, "etcd", f"sleep 0.2; touch {layout.data}/etcd; exec sleep 600")
    second = component(layout, "kube-apiserver", after=("etcd",))
    assert supervisor.start([second, first]) == 2
    times = [(layout.data / name).stat().st_mtime_ns for name in ("etcd", "kube-apiserver")]
    assert times == sorted(times)


def test_running_component_is_kept_and_changed_one_replaced(layout: Layout, supervisor: Supervisor) -> None:
    config = layout.config / "config"
    config.write_text("one")
    wanted = [component(layout, "etcd"), component(layout, "kwok", inputs=(config,))]
    supervisor.start(wanted)
    before = running(layout)
    assert supervisor.start(wanted) == 0
    assert running(layout) == before
    config.write_text("two")
    assert supervisor.start(wanted) == 1
    after = running(layout)
    assert (after["etcd"] == before["etcd"], after["kwok"] == before["kwok"]) == (True, False)
    assert not process.is_running(before["kwok"])


def test_death_shows_the_log_and_its_place(layout: Layout, supervisor: Supervisor) -> None:
    with pytest.raises(ClusterError, match="no such flag") as failure:
        supervisor.start([component(layout, "kwok", "echo no such flag; exit 1")])
    assert str(layout.log("kwok")) in str(failure.value)
    assert not isinstance(failure.value, PortTaken)


@pytest.mark.parametrize("words", ["bind: address already in use", "[Errno 98] Address already in use"])
def test_taken_port_is_told_apart(layout: Layout, supervisor: Supervisor, words: str) -> None:
    with pytest.raises(PortTaken) as failure:
        supervisor.start([component(layout, "kwok", f"echo '{words}'; exit 1")])
    assert failure.value.component == "kwok"


def test_somebody_elses_answer_does_not_count(supervisor: Supervisor) -> None:
    """The port answers, but it is another cluster that listens there; ours ends a moment later."""
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"http://127.0.0.1:{stranger.getsockname()[1]}"
        with pytest.raises(ClusterError, match="ended while it was starting"):
            supervisor.start([Component("prometheus", ("sh", "-c", "sleep 0.2; exit 1"), address, lambda: True)])


def test_environment_of_the_caller_stays_outside(
    layout: Layout, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("KUBECONFIG", "/somewhere/else")
    supervisor.start([component(layout, "kwok", f"cd {layout.data}; env > all; mv all kwok; exec sleep 600")])
    text = (layout.data / "kwok").read_text()
    assert "proxy.example" not in text
    assert "/somewhere/else" not in text
    assert f"TMPDIR={layout.tmp}" in text


def test_stray_is_stopped_and_known_ones_stay(layout: Layout, supervisor: Supervisor) -> None:
    supervisor.start([component(layout, "etcd"), component(layout, "kwok")])
    before = running(layout)
    layout.forget("kwok")
    assert supervisor.stop_strays() == 1
    assert not process.is_running(before["kwok"])
    assert process.is_running(before["etcd"])


def test_api_server_ends_before_etcd(layout: Layout, supervisor: Supervisor) -> None:
    script = "trap 'date +%s%N > {0}.end; exit' TERM; touch {0}; while :; do sleep 0.05; done"
    names = ("etcd", "kube-apiserver", "kwok")
    supervisor.start([component(layout, name, script.format(layout.data / name)) for name in names])
    supervisor.stop(names)
    ends = {name: int((layout.data / f"{name}.end").read_text()) for name in names}
    assert ends["kwok"] < ends["kube-apiserver"] < ends["etcd"]
    assert layout.records() == {}
