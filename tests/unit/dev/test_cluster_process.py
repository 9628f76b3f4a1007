"""Processes are told apart by more than their pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dev.cluster import process
from dev.cluster.process import identify, is_running, marked, resident_bytes, stop
from tests.unit.dev.orphans import orphan

# It says when its trap is set: a signal before that would end it.
STUBBORN = 'trap "" TERM; echo ready; while :; do sleep 60; done'


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    with orphan(tmp_path) as running:
        yield running


def test_identity_of_a_live_process(child: subprocess.Popen[bytes]) -> None:
    identity = identify(child.pid)
    assert identity is not None
    assert is_running(identity)
    assert resident_bytes(identity) > 0


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another"}])
def test_recycled_pid_is_neither_running_nor_stopped(child: subprocess.Popen[bytes], change: dict[str, Any]) -> None:
    identity = identify(child.pid)
    assert identity is not None
    stranger = replace(identity, **change)
    assert not is_running(stranger)
    assert stop(stranger, 5)
    assert child.poll() is None


def test_stop_waits_for_the_exit(child: subprocess.Popen[bytes]) -> None:
    identity = identify(child.pid)
    assert identity is not None
    assert stop(identity, 5)
    assert identify(child.pid) is None  # a zombie of ours counts as gone
    assert child.wait() == -signal.SIGTERM
    assert stop(identity, 5)


def test_process_that_ignores_sigterm_is_killed() -> None:
    with subprocess.Popen(["sh", "-c", STUBBORN], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        identity = identify(child.pid)
        assert identity is not None
        assert not stop(identity, 0.2)
        assert child.wait() == -signal.SIGKILL


def test_marker_finds_the_processes_of_this_folder_only(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert list(marked(tmp_path)) == [identify(child.pid)]
    assert list(marked(tmp_path / "other")) == []
    assert list(marked(tmp_path.parent)) == []


def test_listener_is_known_by_its_process(child: subprocess.Popen[bytes]) -> None:
    ours, other = identify(os.getpid()), identify(child.pid)
    assert ours is not None
    assert other is not None
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert process.listens(ours, port)
        assert not process.listens(other, port)
    assert not process.listens(ours, port)


def test_pid_of_nobody() -> None:
    nobody = process.ProcessId(2**22 + 1, 1, process.boot_id())
    assert identify(nobody.pid) is None
    assert stop(nobody, 1)
    assert resident_bytes(nobody) == 0
