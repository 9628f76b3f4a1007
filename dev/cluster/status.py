"""The table of `status`."""

from __future__ import annotations

from dev.cluster import process
from dev.cluster.layout import Layout

_HEADER = ("COMPONENT", "STATE", "PID", "MEMORY", "ADDRESS")


def table(layout: Layout) -> tuple[str, bool]:
    """Return the table, and whether everything that was started still runs."""
    rows = []
    alive = []
    for name, record in layout.records().items():
        running = process.is_running(record.process)
        alive.append(running)
        memory = f"{process.resident_bytes(record.process) >> 20} MiB" if running else "-"
        rows.append((name, "up" if running else "down", str(record.process.pid), memory, record.address))
    if not rows:
        return f"no cluster runs in {layout.root}", False
    widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADER, *rows)
    ]
    return "\n".join(lines), all(alive)
