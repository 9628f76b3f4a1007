# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three questions of a measurement, as PromQL. However many cards and residents there are, there are three.

1. :func:`current`: every memory series of every profile that is asked for.
2. :func:`facts`: how old each of those samples is, whether their targets are up, which sources spoke a short while ago.
3. :class:`Past`: the peaks over the look-back. Peaks are those of sums (``max_over_time((sum …)[7d:1m])``): a sum of
   peaks would add pods that never lived at the same time.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Callable

from .declared import DEPLOYMENT_PODS, TARGET_GROUP, Claim
from .profiles import Profile

#: the label by which the parts of a union are told apart
PART = "vram_part"
GROUP = "vram_group"
#: a source that spoke within this time and is silent now has broken off (seconds)
RECENT = 900
_PLAIN = string.ascii_letters + string.digits + "_-"
#: seconds between two instants of the look-back where that is cheap
MAX_STEP = 60
_MIN_STEPS = 120
#: series times steps that Prometheus adds up in a few seconds
_MAX_POINTS = 1_000_000


def quote(text: str) -> str:
    """Return ``text`` as a PromQL string literal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def current(profiles: Iterable[Profile]) -> str:
    """Return the selector of every series that the profiles know."""
    patterns = [profile.pattern(metric) for profile in profiles for metric in profile.metrics()]
    return f"{{__name__=~{quote('|'.join(dict.fromkeys(patterns)))}}}"


def card_labels(profiles: Iterable[Profile]) -> tuple[str, ...]:
    """Return the labels by which the profiles tell cards apart."""
    return tuple(dict.fromkeys(profile.uuid_label for profile in profiles if profile.uuid_label))


def facts(profiles: Sequence[Profile], metrics: Iterable[str]) -> str:
    """Return the union of the sample times of ``metrics``, their targets' ``up``, and who spoke lately."""
    recent = f"last_over_time({current(profiles)}[{RECENT}s])"
    by = ", ".join(["__name__", "job", "instance", *card_labels(profiles)])
    parts = [part(f"timestamp({{__name__={quote(metric)}}})", f"at:{metric}") for metric in metrics]
    parts.append(part(f"up and on (job, instance) ({recent})", "up"))
    parts.append(part(f"count by ({by}) ({recent})", "recent"))
    return " or ".join(parts)


def window(lookback: int, series: int) -> tuple[str, int]:
    """Return the subquery window over ``lookback`` seconds, and its step: coarser the more series there are to add up.

    A minute at most where that is cheap; with many series, or many sums, as coarse as it takes to stay within what a
    Prometheus evaluates in a few seconds.
    """
    fine = max(1, min(MAX_STEP, lookback // _MIN_STEPS))
    step = max(fine, lookback * series // _MAX_POINTS)
    return f"[{lookback}s:{step}s]", step


@dataclass(frozen=True)
class Past:
    """Questions about the past of one source's series.

    ``selector`` makes the series' selector with more matchers, ``keep`` are the labels of a pod, namespace and pod
    last, ``merge`` is a prefix of an aggregation that makes one of twins, or empty.
    """

    selector: Callable[..., str]
    keep: Sequence[str]
    merge: str

    def sums(self, claims: Sequence[Claim]) -> list[str]:
        """Return what groups of pods hold together. A group is a namespace, or a tenant's pods within a shared one."""
        shared: dict[str, list[Claim]] = {}
        for claim in claims:
            if claim.pattern is not None:
                shared.setdefault(claim.namespace, []).append(claim)
        found = [self._sum(*_none_of(self.keep[-2], shared))]
        for namespace, own in shared.items():
            by_name = all(claim.target is not None for claim in own)
            found.extend(self._by_target(namespace, own) if by_name else self._by_pattern(namespace, own))
        return found

    def peaks(self, sums: Iterable[str], span: tuple[str, int]) -> dict[str, list[str]]:
        """Return the peaks by ``group`` and by ``pod``, and how much history is ``covered``, as PromQL expressions."""
        range_, step = span
        each = f"sum by ({', '.join(self.keep)}) ({self.merge}({self.selector()}))"
        return {
            "group": [f"max_over_time(({total}){range_})" for total in sums],
            "pod": [f"max_over_time(({each}){range_})"],
            "covered": [f"count_over_time((group({self.selector()})){range_}) * {step}"],
        }

    def _sum(self, *matchers: str) -> str:
        return f"sum by ({', '.join(self.keep[:-1])}) ({self.merge}({self.selector(*matchers)}))"

    def _by_target(self, namespace: str, claims: Sequence[Claim]) -> Iterator[str]:
        """Yield one question for all Deployments of a namespace; one for each takes a Prometheus five times as long.

        As among claims, the first name that fits has the pod; the rest of the namespace is what fits none.
        """
        series = f"{self.merge}({self.selector(f'{self.keep[-2]}={quote(namespace)}')})"
        names = "|".join(re.escape(claim.target or "") for claim in claims)
        told = [GROUP, f"{TARGET_GROUP}$1", self.keep[-1], f"({names}){DEPLOYMENT_PODS}"]
        by = ", ".join([*self.keep[:-1], GROUP])
        yield f"sum by ({by}) (label_replace({series}, {', '.join(map(quote, told))}))"

    def _by_pattern(self, namespace: str, claims: Sequence[Claim]) -> Iterator[str]:
        """Yield a question for each tenant of a namespace, and one for the rest."""
        *_card, label, pod = self.keep
        own = f"{label}={quote(namespace)}"
        taken: list[str] = []
        for claim in claims:
            pattern = claim.pattern or ""
            # The first claim that covers a pod has it; only those that may cover the same pod are named, for else the
            # question would grow with the square of the tenants.
            former = (f"{pod}!~{quote(other)}" for other in taken if may_meet(other, pattern))
            chosen = self._sum(own, f"{pod}=~{quote(pattern)}", *former)
            yield f'label_replace({chosen}, "{GROUP}", {quote(claim.group)}, "", "")'
            taken.append(pattern)
        yield self._sum(own, *(f"{pod}!~{quote(other)}" for other in taken))


def may_meet(one: str, other: str) -> bool:
    """Tell whether a name may match both patterns: not, where neither beginning is that of the other."""
    first, second = _beginning(one), _beginning(other)
    return first.startswith(second) or second.startswith(first)


def _beginning(pattern: str) -> str:
    """Return the text that all matches of the pattern begin with, as far as it is plain."""
    if "|" in pattern:
        return ""
    text = pattern[: len(pattern) - len(pattern.lstrip(_PLAIN))]
    return text[:-1] if pattern[len(text) : len(text) + 1] in ("*", "?", "{") else text


def one_of(names: Iterable[str]) -> str:
    """Return the regular expression of any of ``names``, as a literal."""
    return quote("|".join(map(re.escape, names)))


def _none_of(label: str, names: Iterable[str]) -> list[str]:
    return [f"{label}!~{one_of(names)}"] if names else []


def part(expression: str, name: str) -> str:
    """Return ``expression``, its result marked with ``name`` so that it can be told apart in a union."""
    return f'label_replace({expression}, "{PART}", {quote(name)}, "", "")'
