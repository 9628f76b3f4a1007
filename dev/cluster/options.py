"""What a person may choose when starting a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dev.cluster.ports import LOOPBACK
from dev.node.home import ADDRESS

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Options:
    """Choices of one `up`; the defaults are those of `make cluster`."""

    scenario: Path = CHECKOUT / "inventories" / "demo" / "scenario.yml"
    exporters: tuple[str, ...] = ("dcgm", "gpu-pod-exporter")
    scrape_interval: int = 1
    """Seconds."""
    honor_labels: bool = False
    real_node: bool = False
    """containerd, a kubelet and kube-proxy in the place of kwok; only inside of `python -m dev.node run`."""

    @property
    def address(self) -> str:
        """Return the address on which the components listen: pods cannot reach loopback."""
        return ADDRESS if self.real_node else LOOPBACK
