"""The real node's parts that need neither root nor a cluster."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from dev.checks import molecule
from dev.cluster.errors import ClusterError
from dev.cluster.layout import Layout
from dev.cluster.options import Options
from dev.cluster.pki import Pki
from dev.cluster.plant import Plant
from dev.cluster.real_node import RealNode
from dev.node import cgroups, images, machine
from dev.node.archive import Image, pack
from dev.node.cli import UNABLE, main
from dev.node.home import ADDRESS, VARIABLE, Home, load

V1 = """\
cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
tmpfs /sys/fs/cgroup tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("mounts", "expected"),
    [
        (V1, ["cpu", "systemd", "unified"]),
        ("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\nproc /proc proc rw 0 0\n", ["cgroup"]),
        ("proc /proc proc rw 0 0\n", []),
    ],
)
def test_hierarchies_are_those_that_are_mounted(mounts: str, expected: list[str]) -> None:
    assert [path.name for path in cgroups.hierarchies(mounts)] == expected


def test_a_cgroup_and_what_is_below_it_goes_from_every_hierarchy(tmp_path: Path) -> None:
    roots = [tmp_path / "cpu", tmp_path / "memory"]
    for root in roots:
        (root / "ours" / "kubepods" / "pod1").mkdir(parents=True)
        (root / "others").mkdir()
    cgroups.create("ours", roots)
    assert [list((root / "ours").iterdir()) for root in roots] == [[], []]
    cgroups.remove("ours", roots)
    assert [[path.name for path in root.iterdir()] for root in roots] == [["others"], ["others"]]


def test_a_hierarchy_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=f"no cgroup can be made in {tmp_path / 'absent'}: No such file"):
        cgroups.create("ours", [tmp_path / "absent"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    for name in ("usr/bin/python3", "proc/1/status", "tmp/left", "etc/os-release"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(name)
    return tree


def test_archive_is_an_oci_layout_whose_digests_hold(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "images.tar"
    wanted = (Image("example/python:1", ("python",)), Image("example/pause:1", ("sleep", "infinity")))
    digests = pack(tree, wanted, target, architecture="amd64")
    with tarfile.open(target) as tar:
        files = {entry.name: _content(tar, entry) for entry in tar.getmembers()}
    blobs = {
        name.partition("/")[2].replace("/", ":"): body for name, body in files.items() if name.startswith("blobs/")
    }
    assert all(f"sha256:{hashlib.sha256(body).hexdigest()}" == digest for digest, body in blobs.items())
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    manifests = json.loads(files["index.json"])["manifests"]
    assert {one["annotations"]["io.containerd.image.name"]: one["digest"] for one in manifests} == digests
    layers = set()
    for entry, image in zip(manifests, wanted, strict=True):
        manifest = json.loads(blobs[entry["digest"]])
        config = json.loads(blobs[manifest["config"]["digest"]])
        assert (config["config"]["Cmd"], config["architecture"]) == (list(image.command), "amd64")
        assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]], "an unpacked layer is its own diff"
        assert [len(blobs[part["digest"]]) for part in (manifest["config"], manifest["layers"][0])] == [
            manifest["config"]["size"],
            manifest["layers"][0]["size"],
        ]
        layers.add(manifest["layers"][0]["digest"])
    assert len(layers) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.tar", "tree"]


def test_layer_has_the_files_and_only_the_folders_of_what_the_runtime_makes(tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "images.tar"
    pack(tree, [Image("example/python:1", ("python",))], target, architecture="amd64")
    with tarfile.open(target) as tar:
        layer = max(tar.getmembers(), key=lambda entry: entry.size)
        with tarfile.open(fileobj=tar.extractfile(layer)) as inner:
            names = {entry.name for entry in inner.getmembers() if entry.isfile()}
            folders = {entry.name for entry in inner.getmembers() if entry.isdir()}
    assert names == {"./usr/bin/python3", "./etc/os-release"}
    assert {"./proc", "./tmp"} <= folders


def _content(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(entry)
    return b"" if file is None else file.read()


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    home = Home("/ours", "/archive.tar", "python:1@sha256:0")
    home.write(tmp_path)
    assert load({VARIABLE: str(tmp_path)}) == home


def test_a_real_node_outside_of_its_namespaces_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"run this through `python -m dev\.node run"):
        load({})


def test_without_root_it_says_so_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(machine, "provide", lambda: pytest.fail("nothing may be installed"))
    assert main(["run", "true"]) == UNABLE
    assert "no real node can run on this machine: it needs root" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"unshare", "ip"}, "it needs unshare and ip"),
        ({"apt-get"}, "it needs apt-get"),
    ],
)
def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, broken: set[str], reason: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda name: None if name in broken else f"/bin/{name}")
    monkeypatch.setattr(machine, "_cgroups", lambda: None)
    monkeypatch.setattr(machine, "_namespaces", lambda: None)
    assert (machine.obstacle() or "").startswith(reason)


def test_cgroups_that_cannot_be_written_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "_system", lambda: None)
    monkeypatch.setattr(cgroups, "hierarchies", lambda: [tmp_path / "absent"])
    assert machine.obstacle() == f"it needs cgroups to write to: {tmp_path / 'absent'}"


def test_namespaces_that_are_forbidden_are_told_in_the_words_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_system", "_cgroups"):
        monkeypatch.setattr(machine, name, lambda: None)
    refused = subprocess.CompletedProcess([], 1, "", "unshare: unshare failed: Operation not permitted\n")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: refused)
    assert (machine.obstacle() or "").endswith("unshare: unshare failed: Operation not permitted")


def test_where_no_node_can_run_the_scenario_is_skipped_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "obstacle", lambda: "it needs root")
    names = [check.name for lane in molecule.checks() for check in lane]
    assert "molecule node: syntax" in names
    assert "molecule node" not in names
    assert capsys.readouterr().out.splitlines()[-1].endswith("only the syntax is checked: it needs root")


def test_mirror_is_the_one_that_apt_asks_first(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "stable https://other.example/ main\nbookworm http://mirror.example/debian/ main\n"
    done = subprocess.CompletedProcess([], 0, told, "")
    monkeypatch.setattr(subprocess, "run", lambda *_args, **_options: done)
    monkeypatch.setattr(Path, "exists", lambda path: path.name == "bookworm")
    assert images.source() == ("http://mirror.example/debian/", "bookworm")


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[RealNode, Layout]:
    Home("/ours", "/archive.tar", "python:1@sha256:0").write(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    layout = Layout(tmp_path / "cluster")
    layout.create()
    names = ("kubelet", "kubelet-health", "kube-proxy-health", "kube-proxy-metrics")
    programs = {name: Path(f"/bin/{name}") for name in ("kubelet", "kube-proxy")}
    ports = {name: number for number, name in enumerate(names, start=4000)}
    plant = Plant(layout, Pki(layout.secrets, ADDRESS), ports, programs, Options(real_node=True))
    return RealNode(plant), layout


def test_kubelet_keeps_to_its_cgroup_and_lets_nobody_in(node: tuple[RealNode, Layout]) -> None:
    settings = node[0].kubelet_configuration()
    assert (settings["cgroupRoot"], settings["address"], settings["port"]) == ("/ours", ADDRESS, 4000)
    assert settings["authentication"]["anonymous"] == {"enabled": False}
    assert settings["authorization"] == {"mode": "Webhook"}


def test_containerd_has_a_root_a_state_and_a_socket_of_its_own(
    node: tuple[RealNode, Layout], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("dev.cluster.real_node.cni_folder", lambda: tmp_path)
    components = {component.name: component for component in node[0].components()}
    text = (node[1].config / "containerd.toml").read_text(encoding="utf-8")
    assert 'root = "/run/sharedgpu-node/containerd"' in text
    assert 'state = "/run/containerd"' in text
    assert not components["containerd"].marked, "its shims must outlive the end of strays"
    assert components["kube-proxy"].after == ("kubelet",)
