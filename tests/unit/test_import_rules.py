"""Who may import whom (docs/architecture.md): the core stays pure, and dependencies point one way only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.setup.common import ROOT

OURS = "ansible_collections.sharedgpu.voice."
PLUGINS = ROOT / "plugins"
CORE = "plugins.module_utils.core"
ADAPTERS = "plugins.module_utils.adapters"
KUBE = "plugins.module_utils.kube"
GATE = "plugins.module_utils.gate"
EXPLAIN = "plugins.module_utils.explain"


@dataclass(frozen=True)
class Room:
    """A folder of plugins/: which of our rooms and which packages beside the standard library it may import."""

    ours: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    pure: bool = False


ROOMS = {
    CORE: Room(ours=(CORE,), pure=True),
    ADAPTERS: Room(ours=(CORE, ADAPTERS), foreign=("ansible.module_utils", "requests", "urllib3")),
    GATE: Room(ours=(CORE, ADAPTERS, GATE)),
    KUBE: Room(
        ours=(CORE, KUBE),
        foreign=("ansible.module_utils", "ansible_collections.kubernetes.core", "kubernetes", "urllib3", "yaml"),
    ),
    EXPLAIN: Room(
        ours=(CORE, ADAPTERS, KUBE, GATE, EXPLAIN),
        foreign=("ansible.module_utils", "ansible_collections.kubernetes.core", "kubernetes", "urllib3"),
    ),
    "plugins.modules": Room(
        ours=(CORE, ADAPTERS, KUBE, EXPLAIN), foreign=("ansible.module_utils", "ansible_collections.kubernetes.core")
    ),
    "plugins.filter": Room(ours=(CORE,), foreign=("ansible.errors",)),
    "plugins.doc_fragments": Room(),
}

# Of the standard library, what reaches outside: files, network, processes, clocks, chance.
IMPURE = frozenset(
    """asyncio builtins concurrent ctypes fcntl glob http importlib io logging mmap multiprocessing os pathlib platform
    random secrets select selectors shutil signal socket socketserver ssl subprocess sys tempfile threading time
    urllib uuid""".split()
)
IMPURE_CALLS = frozenset(
    ("__import__", "breakpoint", "eval", "exec", "input", "now", "open", "print", "today", "utcnow")
)


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").relative_to(ROOT).parts)


def room_of(module: str) -> str | None:
    return next((name for name in ROOMS if module == name or module.startswith(f"{name}.")), None)


def imports(tree: ast.AST, module: str) -> Iterator[str]:
    """Yield what is imported, absolute, and ours without the collection's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(OURS) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])]).removeprefix(OURS)
            # `from . import measure` and `from ..core import plan` name modules.
            yield from (f"{base}.{alias.name}" for alias in node.names) if base.startswith("plugins") else [base]


def broken_rules(source: str, module: str) -> list[str]:
    """Return what a file of plugins/ does that its room does not allow."""
    name = room_of(module)
    if name is None:
        return [f"{module} stands in no known room: give its folder a line in ROOMS and in docs/architecture.md"]
    room, tree = ROOMS[name], ast.parse(source)
    problems = [f"{module} imports {found}" for found in imports(tree, module) if not allowed(found, room)]
    if room.pure:
        problems += [f"{module} calls {call}()" for call in calls(tree) if call in IMPURE_CALLS]
    return problems


def allowed(found: str, room: Room) -> bool:
    if found.startswith("plugins."):
        return room_of(found) in room.ours
    top = found.partition(".")[0]
    if top in sys.stdlib_module_names:
        return not (room.pure and top in IMPURE)
    return any(found == package or found.startswith(f"{package}.") for package in room.foreign)


def calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif isinstance(node.func, ast.Attribute):
                yield node.func.attr


FILES = sorted(path for path in PLUGINS.rglob("*.py") if path.name != "__init__.py" or path.read_text().strip())


@pytest.mark.parametrize("path", FILES, ids=dotted)
def test_room_keeps_its_rules(path: Path) -> None:
    assert broken_rules(path.read_text(), dotted(path)) == []


def test_package_files_of_the_core_are_empty() -> None:
    # The gate mounts the same files as a package of another name: nothing may happen on import.
    inits = [*PLUGINS.rglob("__init__.py")]
    assert PLUGINS / "module_utils" / "core" / "__init__.py" in inits
    assert [str(path) for path in inits if path.read_text().strip()] == []


REFUSED = [
    (CORE, "import requests"),
    (CORE, "import os.path"),
    (CORE, "from time import monotonic"),
    (CORE, "def late():\n    from urllib.request import urlopen"),
    (CORE, "from ansible.module_utils.basic import AnsibleModule"),
    (CORE, "from ..adapters.prometheus import PrometheusQuery"),
    (CORE, "from .. import adapters"),
    (CORE, "from datetime import datetime\nstart = datetime.now()"),
    (CORE, "text = open('/etc/hostname')"),
    (ADAPTERS, "from ansible_collections.sharedgpu.voice.plugins.modules.vram_info import main"),
    (ADAPTERS, "from ansible.errors import AnsibleError"),
    (ADAPTERS, "from ..kube.cluster import Cluster"),
    (KUBE, "import dev.cluster"),
    (GATE, "import requests"),
    (GATE, "from ansible.module_utils.basic import AnsibleModule"),
    ("plugins.modules", "from tests.fakes import speaches"),
    ("plugins.modules", "import kubernetes"),
    ("plugins.filter", "from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters import prometheus"),
    ("plugins.lookup", "import json"),
]


@pytest.mark.parametrize(("room", "source"), REFUSED)
def test_rules_refuse(room: str, source: str) -> None:
    assert len(broken_rules(source, f"{room}.example")) == 1


ACCEPTED = [
    (CORE, "from .quantity import parse_size\nfrom . import plan\nfrom datetime import datetime, time\nimport math"),
    (ADAPTERS, "import ssl\nfrom ..core.errors import QueryError\nimport requests\nfrom . import connection"),
    ("plugins.modules", "from ansible_collections.sharedgpu.voice.plugins.module_utils.core.plan import parse_plan"),
]


@pytest.mark.parametrize(("room", "source"), ACCEPTED)
def test_rules_accept(room: str, source: str) -> None:
    assert broken_rules(source, f"{room}.example") == []
