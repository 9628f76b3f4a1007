"""`python -m dev.checks STAGE…`: run stages of the Makefile in this order, end at the first that fails, sum up."""

from __future__ import annotations

import subprocess
import sys
import time

from dev.setup.common import ROOT


def main(stages: list[str]) -> int:
    took: dict[str, float] = {}
    status = 0
    for number, stage in enumerate(stages, start=1):
        print(f"\n=== {number}/{len(stages)} {stage}", flush=True)
        begin = time.monotonic()
        status = subprocess.run(["make", stage], cwd=ROOT, check=False).returncode
        took[stage] = time.monotonic() - begin
        if status:
            break
    print(summary(stages, took, failed=bool(status)))
    return status


def summary(stages: list[str], took: dict[str, float], *, failed: bool) -> str:
    """Return a line per stage: what it took, which one failed, and which ones were not reached."""
    lines = ["", "=== summary"]
    last = list(took)[-1]
    for stage in stages:
        if stage not in took:
            lines.append(f"{stage:<14}       not reached")
        else:
            verdict = f"FAILED: repeat it with `make {stage}`" if failed and stage == last else "passed"
            lines.append(f"{stage:<14} {took[stage]:6.1f} s {verdict}")
    lines.append(f"{'all':<14} {sum(took.values()):6.1f} s {'FAILED' if failed else 'passed'}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
