"""The images of the node, from Debian's packages: a Python as the stock image has it, and a pause."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from dev.cluster.errors import ClusterError
from dev.cluster.locking import exclusive
from dev.cluster.progress import Progress
from dev.cluster.resolver import cache_folder, platform_key
from dev.node.archive import Image, pack
from dev.setup.common import digest

PAUSE = "localhost/sharedgpu-voice/pause:1"
PYTHON = "localhost/sharedgpu-voice/python"
_PACKAGES = ("python3", "tzdata")
"""Not python3-minimal, which lacks parts of the standard library."""

_UNREAD = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/share/info", "var/cache/apt", "var/lib/apt/lists")


def provide(progress: Progress) -> tuple[Path, str]:
    """Return the archive and the Python image's name:tag@digest, from the cache or made now."""
    mirror, suite = source()
    recipe = digest(Path(__file__), Path(__file__).with_name("archive.py"), suite, platform_key())
    folder = cache_folder(os.environ).with_name("images")
    archive = folder / f"python-{suite}-{recipe}.tar"
    told = archive.with_suffix(".json")
    with exclusive(folder / ".lock", progress, "makes the images"):
        if not told.is_file():
            for left in folder.glob(".python-*"):  # by one that was killed
                shutil.rmtree(left)
            with progress.working(f"making the images from the packages of {suite} (once for a machine)"):
                told.write_text(json.dumps({"image": _make(mirror, suite, archive)}), encoding="utf-8")
    return archive, str(json.loads(told.read_text(encoding="utf-8"))["image"])


def source() -> tuple[str, str]:
    """Return this machine's own mirror and release: what apt-get asks first."""
    listing = ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI) $(COMPONENT)", "Created-By: Packages"]
    try:
        said = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ClusterError(f"apt-get does not tell its mirror: {error}") from error
    scripts = Path("/usr/share/debootstrap/scripts")
    for line in said.splitlines():
        suite, mirror, component = line.split()
        if component == "main" and (scripts / suite).exists():
            return mirror, suite
    raise ClusterError("apt-get has no mirror of a release that debootstrap knows: check /etc/apt/sources.list")


def _make(mirror: str, suite: str, archive: Path) -> str:
    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".python-", dir=archive.parent) as work:
        tree, fresh = Path(work) / "tree", Path(work) / archive.name
        _bootstrap(mirror, suite, tree)
        for name in _UNREAD:
            shutil.rmtree(tree / name, ignore_errors=True)
        (tree / "usr/local/bin/python").symlink_to("/usr/bin/python3")  # as the stock image calls it
        name = f"{PYTHON}:{suite}"
        images = (Image(name, ("python",)), Image(PAUSE, ("sleep", "infinity")))
        digests = pack(tree, images, fresh, architecture=platform_key().partition("-")[2])
        fresh.replace(archive)
    return f"{name}@{digests[name]}"


def _bootstrap(mirror: str, suite: str, tree: Path) -> None:
    """Run debootstrap; its mounts and whatever it started end with it, also when it is interrupted."""
    command = ["setpriv", "--pdeathsig=SIGKILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL"]
    command += ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", suite, str(tree), mirror]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        words = " | ".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise ClusterError(f"debootstrap of {suite} from {mirror} ended with {done.returncode}: {words}")
