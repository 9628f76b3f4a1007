"""Places, one way to run a program, stamps, and the error that a person reads."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "dev" / "setup" / "locks"
VENV = ROOT / ".venv"
COLLECTIONS = ROOT / ".collections"
Command = Sequence[str | Path]
# Shared by all checkouts of this user, so that the next one starts at once.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sharedgpu-voice"


class SetupError(Exception):
    """What is wrong and what to do, in one sentence."""


def say(message: str) -> None:
    print(f"set-up: {message}", flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce slow work before it starts, and say how long it took."""
    say(f"{what} …")
    begin = time.monotonic()
    yield
    say(f"{what}: done in {time.monotonic() - begin:.1f} s")


def run(
    command: Command,
    failed: str,
    *,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Run a program and return its output.

    Raises SetupError that starts with `failed`, the remedy included, and shows what the program said.
    """
    try:
        done = subprocess.run(
            [str(part) for part in command],
            check=False,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
        )
    except FileNotFoundError as exc:
        raise SetupError(f"{failed} ({exc.filename} is not there)") from exc
    except subprocess.TimeoutExpired as exc:
        raise SetupError(f"{failed} (no answer within {exc.timeout:.0f} s)") from exc
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise SetupError(f"{failed} ({command[0]} ended with {done.returncode})\n{said}")
    return done.stdout


def base_python() -> Path:
    """Return the interpreter behind the one that runs: a virtual environment is never built on another one."""
    return Path(sys.base_prefix).resolve() / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"


def digest(*parts: str | Path) -> str:
    """Return one short name for the content of files (Path) and texts (str)."""
    total = hashlib.sha256()
    for part in parts:
        total.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        total.update(b"\0")
    return total.hexdigest()[:16]


@dataclass(frozen=True)
class Stamp:
    """Says that a folder was made from these inputs, and was finished."""

    path: Path
    key: str

    def fresh(self) -> bool:
        return self.path.is_file() and self.path.read_text() == self.key

    def write(self) -> None:
        self.path.write_text(self.key)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep a second set-up waiting until the first one in this folder is done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "setup.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        yield
