"""What a scenario file says: cards, and the workloads that hold their VRAM. Sizes are whole MiB, times seconds.

The driver's tools count VRAM in MiB, so the simulation does as well. `parse` reads the file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re

    from .exporters.settings import Settings

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Card:
    """One physical GPU. `index` counts the cards of one node; `overcommit` lets residents take more than there is."""

    name: str
    node: str
    uuid: str
    model: str
    index: int
    total_mib: int
    reserved_mib: int
    unattributed_mib: int
    driver_version: str
    overcommit: bool = False

    @property
    def usable_mib(self) -> int:
        return self.total_mib - self.reserved_mib - self.unattributed_mib

    @property
    def pci_bus_id(self) -> str:
        return f"00000000:{self.index + 1:02X}:00.0"


@dataclass(frozen=True, slots=True)
class Sine:
    """Adds 0 to `amplitude_mib` and back, once in `period_seconds`; begins at 0."""

    amplitude_mib: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Points:
    """Adds what the straight lines between the points say: (seconds, MiB), repeated after the last one."""

    points: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True)
class Growth:
    """Adds `mib_per_minute`, until the workload holds `cap_mib` (its curve not counted)."""

    mib_per_minute: float
    cap_mib: int


@dataclass(frozen=True, slots=True)
class OnDemand:
    """Wakes to `peak_mib` for `awake_seconds`, when told to or, with `every_seconds`, by itself."""

    peak_mib: int
    awake_seconds: float
    first_seconds: float = 0.0
    every_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """VRAM of one pod or process group over its age."""

    idle_mib: int
    load_delay_seconds: float = 0.0
    curve: Sine | Points | None = None
    growth: Growth | None = None
    on_demand: OnDemand | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Every pod of the API server whose namespace, name and node match as a whole."""

    namespace: re.Pattern[str]
    pod: re.Pattern[str]
    node: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class FixedPod:
    """A pod of other people that the API server need not know; `slices` are its time slices of the card."""

    namespace: str
    pod: str
    container: str
    slices: int = 1


@dataclass(frozen=True, slots=True)
class Host:
    """A process of the machine itself: no exporter can name a pod for it."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Who holds VRAM: `place` says how it is found, `processes` in how many processes it holds its share.

    `graphics` contexts count on the device but appear in no list of compute processes. `leak_seconds` is how long
    the VRAM stays after the pod has gone.
    """

    name: str
    card: str
    place: Match | FixedPod | Host
    load: Load
    processes: int = 1
    process_name: str = "python3"
    graphics: bool = False
    leak_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    cards: tuple[Card, ...]
    workloads: tuple[Workload, ...]
    exporters: dict[str, Settings] = field(default_factory=dict)
