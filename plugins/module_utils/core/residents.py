# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From samples to residents: which pod holds how much, where the exporter can tell pods apart.

DCGM under time slicing repeats the card's own number for every pod, or gives all pods zero, or puts the exporter's own
pod on the card's series: its numbers per pod are believed only where they add up, else the use counts as others'.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from .cards import MeasuredCard, same_uuid
from .errors import Problem, one_line
from .plausible import TOLERANCE, implausible_use, in_bytes, not_a_number
from .profiles import NODE_LABELS, WORKLOAD_LABELS, Profile
from .samples import Sample

#: namespaces and pod names by which exporters say "I do not know whose this is"
NOBODY = ("", "unknown", "host")


@dataclass(frozen=True)
class Holding:
    """What one pod holds (bytes) on the card ``uuid`` (None: the exporter does not say on which)."""

    namespace: str
    pod: str
    used: int
    uuid: Optional[str] = None
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Workload:
    """The labels that name a series' pod, and their values."""

    labels: tuple[str, str]
    namespace: str
    pod: str


def workload(sample: Sample, target: Mapping[str, str]) -> Optional[Workload]:
    """Return whose series this is; None where it names no pod, or only the scraped one (``target``'s labels)."""
    for labels in WORKLOAD_LABELS:
        if labels[1] in sample.labels and (labels[0] in sample.labels or labels[0] == "namespace"):
            namespace, pod = (sample.labels.get(label, "") for label in labels)
            if labels[1] == "pod" and pod and pod == target.get("pod"):
                continue
            return Workload(labels, namespace, pod)
    return None


def process(profile: Profile, sample: Sample, owner: Optional[Workload]) -> tuple[str, ...]:
    """Return what tells the series of one pod apart: its process or container, nothing where there is one per pod.

    A pod is on one node, so whichever target tells of its process means the same one: an exporter may be scraped as a
    pod and as a service. What has no name is another's at each target.
    """
    if not profile.parts:
        return ()
    parts = (sample.labels.get(name, "") for name in profile.parts)
    return (*([sample.labels.get("instance", "")] if owner is None or owner.namespace in NOBODY else []), *parts)


_Key = tuple[Optional[str], str, str, tuple[str, ...]]


def holdings(
    profile: Profile, samples: Iterable[Sample], targets: Mapping[tuple[str, str], Mapping[str, str]]
) -> tuple[tuple[Holding, ...], tuple[Problem, ...]]:
    """Return what each pod holds by ``profile``, its processes added up, and the problems of single series."""
    parts: dict[_Key, dict[tuple[str, ...], int]] = {}
    nodes: dict[_Key, tuple[str, ...]] = {}
    problems = []
    for sample in samples:
        owner = workload(sample, targets.get(sample.target, {}))
        if owner is None:
            if profile.copies:
                continue
            # Somebody holds it, whoever that is.
            owner = Workload(("", ""), "", "")
        used = in_bytes(sample.value, profile.unit_bytes)
        series = f"{sample.metric} of {one_line(owner.namespace)}/{one_line(owner.pod)}"
        wrong = not_a_number(series, sample.value) if used is None else implausible_use(series, used)
        if used is None or wrong:
            problems.extend([wrong] if wrong else [])
            continue
        uuid = sample.labels.get(profile.uuid_label) if profile.uuid_label else None
        where = tuple(sample.labels[name] for name in NODE_LABELS if sample.labels.get(name))
        # What has no name is another's on each node.
        key = (uuid, owner.namespace, owner.pod, where if owner.namespace in NOBODY else ())
        known = parts.setdefault(key, {})
        # The same process seen twice (two replicas of Prometheus, k slices of one pod) is one process.
        identity = process(profile, sample, owner)
        known[identity] = max(used, known.get(identity, 0))
        nodes[key] = where
    found = (Holding(key[1], key[2], sum(known.values()), key[0], nodes[key]) for key, known in parts.items())
    return tuple(found), tuple(problems)


def believable(found: Iterable[Holding], cards: Iterable[MeasuredCard]) -> tuple[Holding, ...]:
    """Return those of DCGM's numbers per pod that can be each pod's own: those of the cards whose use they explain."""
    held: dict[str, list[Holding]] = {}
    for holding in found:
        held.setdefault(same_uuid(holding.uuid or ""), []).append(holding)
    used = {same_uuid(card.uuid): card.used for card in cards}
    own = (part for uuid, part in held.items() if _explain(part, used.get(uuid, 0)))
    return tuple(holding for part in own for holding in part)


def _explain(held: Sequence[Holding], used: int) -> bool:
    """Tell whether numbers of the pods of one card can be each pod's own: they add up to no more than its use.

    One pod that holds as much as the card itself is ambiguous (it may be a copy), and so are pods that all hold nothing
    on a card in use.
    """
    if used <= TOLERANCE:
        return True
    sizes = [holding.used for holding in held]
    copied = len(set(sizes)) == 1 and abs(sizes[0] - used) <= TOLERANCE
    return not copied and max(sizes) > 0 and sum(sizes) <= used + TOLERANCE
