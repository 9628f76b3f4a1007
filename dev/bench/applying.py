"""The ways to apply a list of objects that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from dev.bench.model import Outcome
from dev.bench.objects import Object
from dev.bench.rounds import Variant, interleave
from dev.bench.running import Ansible, timed
from dev.bench.temporary import Namespaces
from dev.cluster.progress import Progress

MODULE = "kube_objects"
KUBECTL = "kubectl apply --server-side"
ONE_CALL = "k8s, one call"
TASK_EACH = "k8s, a task per object"
EMPTY = "empty play"


@dataclass(frozen=True)
class Ways:
    """Applies files of objects on one cluster; each method returns the seconds that it took."""

    folder: Path
    ansible: Ansible
    kubeconfig: Path
    kubectl: str | None

    def write(self, name: str, objects: Sequence[Object]) -> Path:
        """Write objects where the ways find them: together as `name.yaml`, and each as `name/00.yaml` and so on."""
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump_all(objects, sort_keys=False), encoding="utf-8")
        single = path.with_suffix("")
        single.mkdir()
        for number, body in enumerate(objects):
            (single / f"{number:03}.yaml").write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
        return path

    def apply(self, way: str, path: Path, says: str = "failed=0") -> float:
        """Apply the objects of a file in one of the ways; `says` is what a play must end with."""
        if way == KUBECTL:
            cache = f"--cache-dir={self.folder / 'kubectl'}"
            command = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", cache, "apply", "--server-side"]
            return timed([*command, "--field-manager=bench", "-f", path]).seconds
        # A play without tasks has no host in its recap.
        return self.ansible.play(self._playbook(way, path), says="PLAY RECAP" if way == EMPTY else says)

    def available(self, *ways: str) -> list[str]:
        """Return those of the ways that this machine has."""
        return [way for way in ways if way != KUBECTL or self.kubectl]

    def _playbook(self, way: str, path: Path) -> Path:
        playbook = path.with_name(f"{path.stem}.{way.replace(' ', '-')}.yml")
        if not playbook.exists():
            play = {"name": "Apply", "hosts": "localhost", "connection": "local", "gather_facts": False}
            content = yaml.safe_dump([{**play, "tasks": _tasks(way, path)}], sort_keys=False)
            playbook.write_text(content, encoding="utf-8")
        return playbook


@dataclass(frozen=True)
class Contest:
    """Holds rounds between the ways, and notes the times and ratios."""

    outcome: Outcome
    ways: Ways
    namespaces: Namespaces
    progress: Progress

    least = f"ours / ({KUBECTL} + {EMPTY})"
    faster = f"{TASK_EACH} / ours"

    def hold(self, case: str, variants: Sequence[Variant], rounds: int, *, ours: str) -> None:
        """Hold the rounds of one case, with an empty play in each; `ours` is what the others are compared with."""
        empty = Variant(EMPTY, partial(self._empty, self.ways.folder / "empty.yaml"))
        self.outcome.series.extend(interleave(case, [*variants, empty], rounds, self.progress))
        self.outcome.ratio(case, self.least, ours, KUBECTL, EMPTY)
        self.outcome.ratio(case, self.faster, TASK_EACH, ours)

    def _empty(self, path: Path, _round: int) -> float:
        return self.ways.apply(EMPTY, path)


def _tasks(way: str, path: Path) -> list[dict[str, Any]]:
    if way == EMPTY:
        return []
    if way == MODULE:
        present = f"{{{{ lookup('ansible.builtin.file', '{path}') | from_yaml_all | list }}}}"
        return [{"name": "Apply all", "sharedgpu.voice.kube_objects": {"present": present}}]
    sources = sorted(path.with_suffix("").glob("*.yaml")) if way == TASK_EACH else [path]
    how = {"apply": True, "server_side_apply": {"field_manager": "bench"}}
    return [{"name": f"Apply {source.stem}", "kubernetes.core.k8s": {"src": str(source), **how}} for source in sources]
