"""uv, and the virtual environments that it fills from dev/requirements.txt."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .common import CACHE, LOCKS, ROOT, VENV, Command, SetupError, Stamp, base_python, digest, only_one, run, step

REQUIREMENTS = ROOT / "dev" / "requirements.txt"
# The newer ansible-core needs a newer Python than the oldest one that we serve.
NEWER = ("3.13", "3.12")
NEWER_VENV = ROOT / ".venv-2.21"
REACH = "the package index may be out of reach: check the network, or pip's own settings"


def bootstrap() -> Path:
    """Return the bin folder of a private environment that holds pip and the pinned uv."""
    place = CACHE / f"uv-{digest(LOCKS / 'uv.txt', str(base_python()))}"
    stamp = Stamp(place / "stamp", "complete")
    with only_one(CACHE):
        if not stamp.fresh():
            with step("fetching uv"):
                run([base_python(), "-m", "venv", "--clear", place], "Python could not make a virtual environment")
                install: Command = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes"]
                run([*install, "-r", LOCKS / "uv.txt"], f"uv could not be installed; {REACH}")
                stamp.write()
    return place / "bin"


def download(lock: Path, into: Path, python: str = "3.13") -> None:
    """Fetch the wheel that a lock file names, checked against its checksum."""
    pip: Command = [bootstrap() / "python", "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    options: Command = ["--python-version", python, "--require-hashes", "-r", lock, "-d", into]
    run([*pip, *options], f"{lock.stem} could not be downloaded; {REACH}")


def fill(venv: Path, python: Path) -> None:
    """Make `venv` hold exactly what dev/requirements.txt says, for this interpreter."""
    # A moved checkout or another interpreter needs a new environment; other requirements only another filling.
    made = Stamp(venv / "made-for", f"{python} in {ROOT}")
    filled = Stamp(venv / "filled", digest(REQUIREMENTS))
    if made.fresh() and filled.fresh():
        return
    uv = bootstrap() / "uv"
    with step(f"installing the tools in {venv.name}"):
        if not made.fresh():
            run([uv, "venv", "--quiet", "--clear", "--python", python, venv], f"{venv.name} could not be made")
            made.write()
        # The machine's own certificates, as pip uses them: a company's proxy may sign what comes.
        sync: Command = [uv, "pip", "sync", "--quiet", "--system-certs", "--require-hashes", "--compile-bytecode"]
        run([*sync, "--python", venv / "bin" / "python", REQUIREMENTS], f"{venv.name} could not be filled; {REACH}")
        filled.write()


def provide() -> None:
    """Provide .venv, and .venv-2.21 where a Python for it is installed."""
    fill(VENV, base_python())
    if sys.version_info < (3, 12):
        newer = newer_python()
        if newer:
            fill(NEWER_VENV, newer)


def newer_python() -> Path | None:
    """Return a Python that the newer ansible-core runs on, if there is one."""
    return next(filter(None, map(find_python, NEWER)), None)


def find_python(version: str) -> Path | None:
    """Return a working interpreter of a version such as 3.12: from the PATH, or one that pyenv has built."""
    homes = [Path(sys.base_prefix).parent, Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    built = [found for home in homes for found in sorted(home.glob(f"{version}.*/bin/python{version}"))]
    on_path = shutil.which(f"python{version}")
    candidates = [*([Path(on_path)] if on_path else []), *built]
    # pyenv's shims answer for versions that are not active, and fail.
    return next(filter(None, map(_real_path, candidates)), None)


def _real_path(python: Path) -> Path | None:
    show = "import ssl, sqlite3, sys; print(sys.executable)"
    done = subprocess.run([python, "-c", show], check=False, capture_output=True, text=True)
    return Path(done.stdout.strip()) if done.returncode == 0 else None


def lock() -> None:
    """Write dev/requirements.txt anew from pyproject.toml."""
    where = REQUIREMENTS.relative_to(ROOT)
    options = ["--system-certs", "--universal", "--generate-hashes", "--no-emit-index-url", "--python-version", "3.11"]
    options += ["--group", "dev", "--custom-compile-command", "make lock"]
    with step(f"resolving {where}"):
        compile_: Command = [bootstrap() / "uv", "pip", "compile", "--quiet", *options, "-o", where]
        run(compile_, f"{where} could not be resolved; {REACH}")
    if "://" in REQUIREMENTS.read_text():
        raise SetupError(f"{where} names a host: no package may come from a fixed address")
