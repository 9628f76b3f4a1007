"""`make lint`: everything that reads the code without running it."""

from __future__ import annotations

import sys

from dev.setup.common import Command

from . import artifact
from .stage import Check, files, run_all

PACKAGES = ("ansible_collections.sharedgpu.voice.plugins", "dev", "tests")

WRITTEN_BY_TOOLS = ":!changelogs/changelog.yaml"


def checks() -> tuple[list[Check], list[Check]]:
    """Return two lanes, each with one of the two checks that take most of the time, and one core."""
    packages = [part for package in PACKAGES for part in ("-p", package)]
    scripts = [path for path in files() if (path.suffix in ("", ".sh") and path.read_bytes().startswith(b"#!/bin/sh"))]
    documented = artifact.fresh("lint")
    yamllint: Command = [
        "yamllint",
        "--strict",
        *files("*.yml", "*.yaml", ".yamllint", ".ansible-lint", WRITTEN_BY_TOOLS),
    ]
    return [
        Check("ansible-lint", ["ansible-lint", "--nocolor"]),
        Check("yamllint", yamllint),
        Check("shellcheck", ["shellcheck", *scripts]),
    ], [
        Check("ruff", ["ruff", "check", "."]),
        Check("ruff format", ["ruff", "format", "--check", "."]),
        Check("mypy", ["mypy", *packages]),
        Check("antsibull-changelog", ["antsibull-changelog", "lint"]),
        Check(
            "antsibull-docs",
            ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "."],
            cwd=documented,
            env={"ANSIBLE_COLLECTIONS_PATH": str(documented.parents[2])},
        ),
    ]


if __name__ == "__main__":
    sys.exit(run_all(*checks()))
