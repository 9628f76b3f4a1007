# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The most that was held within the look-back, by tenant and by pod."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Optional

from .cards import same_uuid
from .declared import Claim
from .plausible import in_bytes
from .profiles import Profile
from .quantity import TIB, format_duration
from .queries import GROUP, MAX_STEP, PART, Past, one_of, part, window
from .samples import Sample

#: series, up to which each of their samples is looked at for being a size at all: that costs more than adding them up
FEW_SERIES = 32
#: how a pod is named when nobody holds anything now, so that no live series can tell
USUAL_LABELS = (("exported_namespace", "exported_pod"), ("exported_namespace", "pod"), ("namespace", "pod"))


@dataclass(frozen=True)
class Source:
    """The series that residents come from: a profile, its metric names, how they name pods, and pods to leave out.

    ``uuids`` are the only cards to ask about, where the pods of others cannot be told apart.
    """

    profile: Profile
    metrics: tuple[str, ...]
    labels: tuple[tuple[str, str], ...]
    scraped_pods: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    #: how many series there are now, and whether some of them are the same process or pod twice
    series: int = 1
    twins: bool = True


@dataclass(frozen=True)
class Peaks:
    """Peaks in bytes, by (card's UUID or None, namespace, group) and by (UUID or None, namespace, pod).

    ``unknown`` are the (namespace, group) whose history holds values that are no size: their peaks are not known.
    """

    groups: Mapping[tuple[Optional[str], str, str], int] = field(default_factory=dict)
    pods: Mapping[tuple[Optional[str], str, str], int] = field(default_factory=dict)
    covered_seconds: int = 0
    unknown: frozenset[tuple[str, str]] = frozenset()
    notes: tuple[str, ...] = ()

    def of_group(self, uuid: Optional[str], namespace: str, group: str) -> int:
        """Return the peak of a group of pods on the card ``uuid`` (anywhere if no one tells), 0 without history."""
        return _highest(self._groups_by_name.get((namespace, group), ()), uuid)

    def of_pod(self, uuid: Optional[str], namespace: str, pod: str) -> int:
        """Return the peak of one pod, 0 without history."""
        return _highest(self._pods_by_name.get((namespace, pod), ()), uuid)

    @cached_property
    def _groups_by_name(self) -> _ByName:
        return _by_name(self.groups)

    @cached_property
    def _pods_by_name(self) -> _ByName:
        return _by_name(self.pods)


_ByName = dict[tuple[str, str], list[tuple[Optional[str], int]]]


def _by_name(sizes: Mapping[tuple[Optional[str], str, str], int]) -> _ByName:
    """Return (UUID, size) by (namespace, name): a plan of hundreds of tenants asks for each of them."""
    found: _ByName = {}
    for (uuid, namespace, name), size in sizes.items():
        found.setdefault((namespace, name), []).append((uuid, size))
    return found


def _highest(sizes: Iterable[tuple[Optional[str], int]], uuid: Optional[str]) -> int:
    own = None if uuid is None else same_uuid(uuid)
    return max((size for on, size in sizes if on is None or own is None or same_uuid(on) == own), default=0)


def history_query(sources: Iterable[Source], claims: Sequence[Claim], lookback: int) -> str:
    """Return the question for the peaks over ``lookback`` seconds, by each of ``sources``."""
    parts = []
    for source in sources:
        for number, pair in enumerate(source.labels or USUAL_LABELS):
            found, step = _history_by(source, pair, claims, lookback)
            # Each with a mark of its own: a union keeps one only of those whose labels are the same.
            mark = f"{source.profile.name}:{number}:{step}"
            parts += [part(expression, f"{name}:{mark}") for name, each in found.items() for expression in each]
    return " or ".join(parts)


def _history_by(
    source: Source, pair: tuple[str, str], claims: Sequence[Claim], lookback: int
) -> tuple[dict[str, list[str]], int]:
    """Return the expressions of one pair of labels by what they tell, and the step between two instants (seconds)."""
    profile = source.profile
    matchers = [f"__name__=~{one_of(source.metrics)}", f'{pair[1]}!=""']
    if pair[1] == "pod" and source.scraped_pods:
        matchers.append(f"pod!~{one_of(source.scraped_pods)}")
    if source.uuids:
        matchers.append(f"{profile.uuid_label}=~{one_of(source.uuids)}")
    # A series that has the more specific labels is read by those.
    every = source.labels or USUAL_LABELS
    specific = (other[1] if other[1] != pair[1] else other[0] for other in every[: every.index(pair)])
    matchers.extend(f'{label}=""' for label in dict.fromkeys(specific))
    keep = [*([profile.uuid_label] if profile.uuid_label else []), *pair]
    merge = f"max by ({', '.join([*keep, *profile.parts])}) " if source.twins else ""
    # One sample that is no size (DCGM's "no value" is about 2^63) would hide what all others say.
    possible = f" >= 0 <= {TIB // profile.unit_bytes}" if source.series <= FEW_SERIES else ""
    past = Past(lambda *more: f"{{{', '.join([*matchers, *more])}}}{possible}", keep, merge)
    sums = past.sums(claims)
    # A sum costs its steps even where it has no series.
    span = window(lookback, max(source.series, len(every) * len(sums)))
    return past.peaks(sums, span), span[1]


def parse_peaks(sources: Iterable[Source], samples: Sequence[Sample]) -> Peaks:
    """Return the peaks in a :func:`history_query`'s answer, by the first of ``sources`` that has any."""
    found = (_peaks_of(source, samples) for source in sources)
    return next((peaks for peaks in found if peaks.pods or peaks.unknown), Peaks())


def _peaks_of(source: Source, samples: Iterable[Sample]) -> Peaks:
    groups: dict[tuple[Optional[str], str, str], int] = {}
    pods: dict[tuple[Optional[str], str, str], int] = {}
    unknown = set()
    covered = step = 0
    for sample in samples:
        part_name, origin, *rest = (*sample.labels.get(PART, "").split(":"), "")
        if origin != source.profile.name:
            continue
        if part_name == "covered":
            covered = max(covered, in_bytes(sample.value, 1) or 0)
            step = max(step, *(int(text) for text in rest[1:] if text.isdecimal()), 0)
            continue
        size = in_bytes(sample.value, source.profile.unit_bytes)
        pair = next((pair for pair in source.labels or USUAL_LABELS if _named_by(pair, part_name, sample)), None)
        if pair is None:
            continue
        uuid = sample.labels.get(source.profile.uuid_label) if source.profile.uuid_label else None
        found, label = (groups, GROUP) if part_name == "group" else (pods, pair[1])
        key = (uuid, sample.labels.get(pair[0], ""), sample.labels.get(label, ""))
        if size is None or size > TIB:
            unknown.update([key[1:]] if part_name == "group" else [])
            continue
        found[key] = max(size, found.get(key, 0))
    return Peaks(groups, pods, covered, frozenset(unknown), _coarse(step))


def _coarse(step: int) -> tuple[str, ...]:
    if step <= MAX_STEP:
        return ()
    every = format_duration(step)
    return (f"with so many series the look-back is looked at every {every}: shorter peaks may be missing from it",)


def _named_by(pair: tuple[str, str], part: str, sample: Sample) -> bool:
    return pair[0] in sample.labels and (part == "group" or pair[1] in sample.labels)
