# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the voices of the image to the volume: real files, with their extension, none of yours overwritten.

Runs as an init container of the same image. Chatterbox lists only .wav and .mp3, and newer versions refuse a symbolic
link that leaves the directory, so links become files. A copy that was cut short is never taken for a voice.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

SUFFIXES = frozenset({".wav", ".mp3"})


def is_voice(path: Path) -> bool:
    """Whether Chatterbox would list this file."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def seed(source: Path, target: Path) -> list[str]:
    """Copy what the target lacks, or has as a link only; return the names."""
    target.mkdir(parents=True, exist_ok=True)
    missing = [
        voice
        for voice in sorted(source.iterdir())
        if is_voice(voice) and (not is_voice(target / voice.name) or (target / voice.name).is_symlink())
    ]
    for voice in missing:
        part = target / f".{voice.name}.part"
        shutil.copyfile(voice, part)
        part.replace(target / voice.name)
    return [voice.name for voice in missing]


def main(argv: list[str]) -> int:
    """Seed from the first directory to the second; 1 where the target ends without a voice."""
    source, target = Path(argv[0]), Path(argv[1])
    try:
        copied = seed(source, target)
    except OSError as exc:
        print(f"cannot seed voices: {exc} (is the volume writable for root?)", file=sys.stderr)
        return 1
    if not any(is_voice(path) for path in target.iterdir()):
        print(f"cannot seed voices: {source} has none", file=sys.stderr)
        return 1
    print(f"{len(copied)} voices copied to {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
