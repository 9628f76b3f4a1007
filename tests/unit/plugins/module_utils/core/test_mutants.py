"""The ways to break the gate fit its present text, and tests notice a sample; `python -m dev.mutants` tries all."""

from __future__ import annotations

from dev.mutants.patches import PATCHES
from dev.mutants.run import CORE, FAST, tried
from dev.setup.common import ROOT

#: one of each part that the fast tests alone must notice
SAMPLE = (
    "key=lambda tenant: -tenant.priority",
    "    if memory.cool_down_until is not None",
    "own + freed",
)


def test_every_patch_breaks_one_place_of_the_present_text() -> None:
    assert len(PATCHES) >= 30
    assert len(set(PATCHES)) == len(PATCHES)
    for name, old, new in PATCHES:
        text = (ROOT / CORE / name).read_text()
        assert text.count(old) == 1, (name, old)
        compile(text.replace(old, new), name, "exec")


def test_the_fast_tests_notice_a_sample() -> None:
    numbers = [number for number, patch in enumerate(PATCHES) if patch[1].startswith(SAMPLE)]
    assert len(numbers) == len(SAMPLE)
    assert dict(tried(numbers, [FAST])) == dict.fromkeys(numbers, True)
