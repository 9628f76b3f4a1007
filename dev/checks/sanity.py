"""`make sanity`: ansible-test sanity on the installed collection, without Docker and from the package index alone."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from dev.setup.common import CACHE, LOCKS, run
from dev.setup.tools import download, find_python

from . import artifact
from .stage import Check, run_all
from .unit import environments, inside

# ansible-test keeps environments in HOME; a home of its own leaves the user's alone and serves all checkouts.
TEST_HOME = CACHE / "ansible-test"
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")

# ansible-test gets pip from a script that it looks for in this cache first; this one needs no other host.
GET_PIP = """\
import runpy
import sys

folder, wheel = {folder!r}, {wheel!r}
asked = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv[1:] = ["install", "--no-index", "--find-links", folder, *asked]
sys.path.insert(0, wheel)
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""


def provide_pip() -> None:
    """Put the script that ansible-test starts pip with, and the pip that it names, into its cache."""
    cache = TEST_HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for lock in sorted(LOCKS.glob("pip-*.txt")):
        script = cache / f"get_{lock.stem.translate(str.maketrans('-.', '__'))}.py"
        if script.is_file():
            continue
        download(lock, cache)
        (wheel,) = cache.glob(f"{lock.stem}-*.whl")
        script.write_text(GET_PIP.format(folder=str(cache), wheel=str(wheel)))
    _keep_pip_settings()


def _keep_pip_settings() -> None:
    """Let pip find its user's settings (an index, a certificate) in the other home as well."""
    for name in (".config/pip", ".pip"):
        theirs, ours = Path.home() / name, TEST_HOME / name
        if theirs.is_dir() and not ours.is_symlink():
            ours.parent.mkdir(parents=True, exist_ok=True)
            ours.symlink_to(theirs)


def search_path() -> str:
    """Return a PATH without pyenv's shims, which ansible-test takes for interpreters, but with the real ones."""
    folders = [folder for folder in os.environ["PATH"].split(os.pathsep) if Path(folder).name != "shims"]
    pythons = [str(python.parent) for python in map(find_python, PYTHONS) if python]
    return os.pathsep.join([*folders, *pythons])


def checks() -> list[Check]:
    """Return a check for each version of ansible-core, each in a tree of its own."""
    provide_pip()
    os.environ["PATH"] = search_path()
    return [
        Check(
            f"sanity in {venv.name}",
            [venv / "bin" / "ansible-test", "sanity", "--local", "--color", "no"],
            cwd=_repository(f"sanity{venv.name}"),
            env={**inside(venv), "HOME": str(TEST_HOME)},
            expected="validate-modules",
        )
        for venv in environments()
    ]


def _repository(name: str) -> Path:
    """Return a fresh collection: ansible-test asks git for its files, and the checkout's git ignores build/."""
    collection = artifact.fresh(name)
    run(["git", "init", "--quiet", collection], "git could not make a repository")
    return collection


if __name__ == "__main__":
    if shutil.which("shellcheck") is None:
        sys.exit("sanity: shellcheck is missing, and without it ansible-test passes unread; install it")
    sys.exit(run_all(*([check] for check in checks())))
