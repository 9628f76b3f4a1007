"""What an exporter can be told: by the scenario at the start, by the control while it runs."""

from __future__ import annotations

from dataclasses import dataclass

CHOICES = {"mode": ("device", "copied", "per_pod"), "hostname_label": ("Hostname", "hostname")}
"""Settings that are one of a few words."""

PATTERNS = {"node": (r"[a-z0-9.-]*", "the name of a node"), "prefix": (r"([a-zA-Z_][a-zA-Z0-9_]*)?", "a metric name")}
"""Other texts: what they have to look like."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`interval_seconds` between two looks at the cards; 0 looks at every scrape. `node` shows its cards only."""

    interval_seconds: float = 0.0
    node: str = ""


@dataclass(frozen=True, slots=True)
class GpuPodSettings(Settings):
    """`attribution_delay_seconds`: how long a new pod is `unknown` (the original caches the pod list for 60 s)."""

    interval_seconds: float = 15.0
    attribution_delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class DcgmSettings(Settings):
    """dcgm-exporter under time-slicing, by version and settings.

    `device`: one series a card. `copied`: every series once a pod with the value of the card. `per_pod`: as `copied`,
    but FB_USED is the card's series and one of each pod's own. `hostname_label` was renamed after 4.5.3-4.8.2,
    `prefix` is what a relabelling puts before the names, `vgpu` gives a pod one series a time slice.
    """

    interval_seconds: float = 30.0
    mode: str = "device"
    hostname_label: str = "Hostname"
    prefix: str = ""
    vgpu: bool = True


@dataclass(frozen=True, slots=True)
class NvidiaGpuSettings(Settings):
    """`compute_apps` adds the series per process, which the original has off by default."""

    compute_apps: bool = False
