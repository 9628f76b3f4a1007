"""Ports, keys and the files that the components read."""

from __future__ import annotations

import io
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from dev.cluster.cluster import Cluster
from dev.cluster.component import Component
from dev.cluster.errors import PortTaken
from dev.cluster.kubeconfig import write_kubeconfig
from dev.cluster.layout import Layout, write
from dev.cluster.options import Options
from dev.cluster.pki import USERS, Pki
from dev.cluster.ports import LOOPBACK, choose, reserved_port
from dev.cluster.progress import Progress
from dev.cluster.scrape import EXPORTERS, prometheus_config
from dev.cluster.supervisor import Supervisor
from tests.unit.dev.orphans import orphan


def test_ports_are_free_and_never_the_same() -> None:
    names = [f"port-{number}" for number in range(50)]
    chosen = choose({}, names, in_use=[])
    assert len(set(chosen.values())) == len(names)
    assert choose(chosen, names, in_use=[]) == chosen


def test_taken_port_is_replaced_unless_it_is_our_own() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        taken = {"etcd": listener.getsockname()[1]}
        assert choose(taken, ["etcd"], in_use=["etcd"]) == taken
        assert choose(taken, ["etcd"], in_use=[]) != taken


def test_reserved_port_is_kept_for_who_is_told_of_it() -> None:
    with reserved_port() as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, port))
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind((LOOPBACK, port))
        with socket.create_server((LOOPBACK, port)):
            socket.create_connection((LOOPBACK, port)).close()


def test_start_chooses_another_port_when_one_was_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, int]] = []
    bad_luck = 2

    def start(_: Supervisor, components: Sequence[Component]) -> int:
        seen.append(cluster.layout.ports())
        if len(seen) <= bad_luck:
            raise PortTaken("etcd", "address already in use")
        return len(components)

    monkeypatch.setattr(Supervisor, "start", start)
    cluster = Cluster(tmp_path, Progress(io.StringIO()))
    cluster.layout.create()
    programs = dict.fromkeys(("etcd", "prometheus", "kwok"), Path("/bin/true"))
    programs |= {f"kube-{name}": Path("/bin/true") for name in ("apiserver", "controller-manager", "scheduler")}
    _, started = cluster._run(Options(), programs)
    assert started == 7
    assert seen[0]["etcd"] != seen[1]["etcd"]
    assert seen[0]["kube-apiserver"] == seen[2]["kube-apiserver"]
    bad_luck = 99
    with pytest.raises(PortTaken):
        cluster._run(Options(), programs)


def test_down_finds_the_processes_of_a_removed_folder(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with orphan(gone) as process:
        Cluster(gone, Progress(io.StringIO())).down()
        assert process.wait(timeout=10) == -signal.SIGTERM
    assert not gone.exists()


def test_secret_file_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write(path, "new", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_broken_pid_file_counts_as_none(tmp_path: Path, text: str) -> None:
    layout = Layout(tmp_path)
    layout.create()
    (layout.run / "etcd.pid").write_text(text)
    assert layout.records() == {}


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    made = Pki(tmp_path)
    made.create()
    return made


def test_certificate_passes_a_strict_handshake(pki: Pki) -> None:
    """Python 3.13 checks certificates strictly by default."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.certificate, pki.key)
    client = ssl.create_default_context(cafile=str(pki.authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=lambda: server.wrap_socket(theirs, server_side=True).close())
    thread.start()
    with client.wrap_socket(ours, server_hostname=LOOPBACK) as connection:
        assert connection.getpeercert()
    thread.join()


def test_keys_stay_what_they_are(pki: Pki) -> None:
    before = {path: path.read_bytes() for path in (pki.certificate, pki.service_accounts, pki.tokens)}
    pki.create()
    assert {path: path.read_bytes() for path in before} == before
    assert all(path.stat().st_mode & 0o077 == 0 for path in (pki.key, pki.service_accounts, pki.tokens))


def test_kubeconfig_carries_its_own_token(pki: Pki, tmp_path: Path) -> None:
    tokens = set()
    for user in USERS:
        write_kubeconfig(tmp_path / "config", server="https://127.0.0.1:1", user=user, pki=pki)
        tokens.add(yaml.safe_load((tmp_path / "config").read_text())["users"][0]["user"]["token"])
    assert len(tokens) == len(USERS)
    assert (tmp_path / "config").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("honor_labels", [True, False])
def test_prometheus_accepts_the_configuration(tmp_path: Path, honor_labels: bool, promtool: str) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(prometheus_config(list(EXPORTERS), card="127.0.0.1:1", interval=2, honor_labels=honor_labels))
    done = subprocess.run([promtool, "check", "config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = yaml.safe_load(path.read_text())["scrape_configs"]
    assert [job["honor_labels"] for job in jobs] == [honor_labels] * len(EXPORTERS)
    assert len({job["job_name"] for job in jobs}) == len(EXPORTERS)
