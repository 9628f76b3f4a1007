"""Seeding the volume with the voices of the image, run as the init container runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "roles/tts_chatterbox/files/seed_voices.py"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """What /app/voices may hold."""
    voices = tmp_path / "image"
    voices.mkdir()
    for name in ("Emily.wav", "Thomas.MP3", "two words ü.wav", "README.md"):
        (voices / name).write_text(f"sound of {name}")
    (voices / "Folder.wav").mkdir()
    return voices


def seed(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(SCRIPT), str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def contents(target: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in target.iterdir()}


BUNDLED = {name: f"sound of {name}" for name in ("Emily.wav", "Thomas.MP3", "two words ü.wav")}


def test_an_empty_volume_gets_real_copies_with_their_extension(image: Path, tmp_path: Path) -> None:
    result = seed(image, tmp_path / "data/voices")
    assert (result.returncode, result.stdout.split()[0]) == (0, "3"), result.stderr
    assert contents(tmp_path / "data/voices") == BUNDLED
    assert not any(path.is_symlink() for path in (tmp_path / "data/voices").iterdir())


def test_a_second_run_copies_nothing_and_keeps_yours(image: Path, tmp_path: Path) -> None:
    seed(image, tmp_path / "voices")
    (tmp_path / "voices/Emily.wav").write_text("my own Emily")
    (tmp_path / "voices/Mine.wav").write_text("mine")
    result = seed(image, tmp_path / "voices")
    assert (result.returncode, result.stdout.split()[0]) == (0, "0"), result.stderr
    assert contents(tmp_path / "voices") == BUNDLED | {"Emily.wav": "my own Emily", "Mine.wav": "mine"}


@pytest.mark.parametrize("link_to", ["image/Emily.wav", "nowhere.wav"])
def test_a_link_becomes_a_file(image: Path, tmp_path: Path, link_to: str) -> None:
    target = tmp_path / "voices"
    target.mkdir()
    (target / "Emily.wav").symlink_to(tmp_path / link_to)
    assert seed(image, target).returncode == 0
    assert not (target / "Emily.wav").is_symlink()
    assert contents(target) == BUNDLED
    assert (image / "Emily.wav").read_text() == "sound of Emily.wav"


def test_a_copy_that_was_cut_short_is_made_again(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "voices"
    target.mkdir()
    (target / ".Emily.wav.part").write_text("sou")
    assert seed(image, target).returncode == 0
    assert contents(target) == BUNDLED


def test_an_image_without_voices_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    result = seed(tmp_path / "image", tmp_path / "voices")
    assert result.returncode == 1
    assert "has none" in result.stderr


def test_a_missing_source_or_a_volume_that_cannot_be_written_says_so(image: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for source, target in ((tmp_path / "gone", tmp_path / "voices"), (image, tmp_path / "file")):
        result = seed(source, target)
        assert result.returncode == 1
        assert result.stderr.startswith("cannot seed voices: ")
        assert len(result.stderr.splitlines()) == 1
