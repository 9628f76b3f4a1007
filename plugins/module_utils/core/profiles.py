# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What each exporter calls the memory of a card and of its residents, as data.

The facts are those of the exporters' sources: DCGM reports MiB and keeps the driver's share apart
(used + free + reserved is the whole card); nvidia_gpu_exporter strips ``GPU-`` from the UUID; the pod exporter
has one series per process and no card label. A profile that lacks a fact leaves it unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from .quantity import MIB

USED = "used"
FREE = "free"
RESERVED = "reserved"
TOTAL = "total"

NODE_LABELS = ("Hostname", "hostname", "exported_hostname", "node", "kubernetes_node", "nodename")
MODEL_LABELS = ("modelName", "model", "devicename", "device_type", "name")

#: (namespace, pod) labels of a workload, most specific first: Prometheus renames those that a scrape target has too.
WORKLOAD_LABELS = (
    ("exported_namespace", "exported_pod"),
    ("exported_namespace", "pod"),
    ("namespace", "exported_pod"),
    ("pod_namespace", "pod_name"),
    ("podnamespace", "podname"),
    ("namespace", "pod"),
)


@dataclass(frozen=True)
class Profile:
    """The metric names and labels of one exporter; ``unit_bytes`` turns its numbers into bytes."""

    name: str
    unit_bytes: int = 1
    card: Mapping[str, str] = field(default_factory=dict)
    uuid_label: Optional[str] = None
    resident: Optional[str] = None
    #: labels that tell the processes or containers of one pod apart: their series add up
    parts: tuple[str, ...] = ()
    #: the resident series may be copies of the card's own number: one per pod, believed only if the sums agree
    copies: bool = False
    info: Optional[str] = None
    healthy: Optional[str] = None
    collected_at: Optional[str] = None
    #: it says that nothing is used also where it could not read the card
    zero_is_doubtful: bool = False
    #: relabelling may put a prefix before the name
    prefixed: bool = False

    def pattern(self, metric: str) -> str:
        """Return the regular expression of ``metric``'s names."""
        return f"(?:.+_)?{metric}" if self.prefixed else metric

    def matches(self, metric: str, name: str) -> bool:
        """Tell whether the series ``name`` is the profile's ``metric``."""
        return re.fullmatch(self.pattern(metric), name) is not None

    def metrics(self) -> tuple[str, ...]:
        """Return every metric that the profile reads, once."""
        others = (self.resident, self.info, self.healthy, self.collected_at)
        return tuple(dict.fromkeys([*self.card.values(), *(name for name in others if name)]))


#: In order of trust where several know the same card.
PROFILES: tuple[Profile, ...] = (
    Profile(
        name="dcgm",
        unit_bytes=MIB,
        card={USED: "DCGM_FI_DEV_FB_USED", FREE: "DCGM_FI_DEV_FB_FREE", RESERVED: "DCGM_FI_DEV_FB_RESERVED"},
        uuid_label="UUID",
        resident="DCGM_FI_DEV_FB_USED",
        copies=True,
        prefixed=True,
    ),
    Profile(
        name="nvidia_gpu_exporter",
        card={
            USED: "nvidia_smi_memory_used_bytes",
            FREE: "nvidia_smi_memory_free_bytes",
            RESERVED: "nvidia_smi_memory_reserved_bytes",
            TOTAL: "nvidia_smi_memory_total_bytes",
        },
        uuid_label="uuid",
        info="nvidia_smi_gpu_info",
        healthy="nvidia_smi_last_collect_success",
        collected_at="nvidia_smi_last_collect_success_timestamp_seconds",
    ),
    Profile(
        name="nvitop",
        unit_bytes=MIB,
        card={USED: "gpu_memory_used_MiB", FREE: "gpu_memory_free_MiB", TOTAL: "gpu_memory_total_MiB"},
        uuid_label="uuid",
    ),
    Profile(
        name="hami",
        card={USED: "hami_host_gpu_memory_used_bytes"},
        uuid_label="device_uuid",
        resident="hami_vgpu_memory_used_bytes",
        parts=("container", "exported_container", "vdevice_index"),
    ),
    Profile(
        name="llama_swap",
        card={USED: "llamaswap_gpu_memory_used_bytes", TOTAL: "llamaswap_gpu_memory_total_bytes"},
        uuid_label="uuid",
        zero_is_doubtful=True,
    ),
    Profile(
        name="gpu_pod_exporter",
        resident="gpu_pod_memory_used_bytes",
        parts=("container", "exported_container", "process_name", "pid"),
    ),
)

AUTO = "auto"
PROFILE_NAMES = (AUTO, *(profile.name for profile in PROFILES))

#: Residents come from the first of these that names any: processes are exact, DCGM's copies are a last resort.
RESIDENT_ORDER = ("gpu_pod_exporter", "hami", "dcgm")


def chosen(name: str) -> tuple[Profile, ...]:
    """Return the profiles to ask for: all of them for ``auto``."""
    return tuple(profile for profile in PROFILES if name in (AUTO, profile.name))
