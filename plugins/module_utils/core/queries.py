# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three questions of a measurement, as PromQL. However many cards and residents there are, there are three.

1. :func:`current`: every memory series of every profile that is asked for.
2. :func:`facts`: how old each of those samples is, whether their targets are up, which sources spoke a short while ago.
3. :func:`history`: the peaks over the look-back. Peaks are those of sums (``max_over_time((sum …)[7d:1m])``): a sum of
   peaks would add pods that never lived at the same time.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from typing import Callable

from .declared import Claim
from .profiles import Profile

#: the label by which the parts of a union are told apart
PART = "vram_part"
GROUP = "vram_group"
#: a source that spoke within this time and is silent now has broken off (seconds)
RECENT = 900
_PLAIN = string.ascii_letters + string.digits + "_-"
_MAX_STEP = 60
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

    A minute at most where that is cheap; with many series as coarse as it takes to stay within what a Prometheus
    evaluates in a few seconds.
    """
    fine = max(1, min(_MAX_STEP, lookback // _MIN_STEPS))
    step = max(fine, lookback * series // _MAX_POINTS)
    return f"[{lookback}s:{step}s]", step


def history(
    selector: Callable[..., str], keep: Sequence[str], merge: str, claims: Sequence[Claim], span: tuple[str, int]
) -> dict[str, list[str]]:
    """Return the peaks by ``group`` and by ``pod`` and how much history is ``covered``, each as PromQL expressions.

    ``selector`` makes the series' selector with more matchers, ``keep`` are the labels of a pod, namespace and pod
    last, ``merge`` is a prefix of an aggregation that makes one of twins, or empty. A group is a namespace, or within
    a shared one the pods that a tenant claims by pattern: each is asked for by matchers, which cost nothing, and not
    by rewriting the labels of every sample.
    """
    *card, namespace, pod = keep
    range_, step = span
    total = f"sum by ({', '.join([*card, namespace])})"
    shared = dict.fromkeys(claim.namespace for claim in claims if claim.pattern is not None)
    groups = [f"{total} ({merge}({selector(*_none_of(namespace, shared))}))"]
    for name in shared:
        own = f"{namespace}={quote(name)}"
        taken: list[str] = []
        for claim in claims:
            if claim.namespace == name and claim.pattern is not None:
                # The first claim that covers a pod has it; only those that may cover the same pod are named, for else
                # the question would grow with the square of the tenants.
                former = (f"{pod}!~{quote(other)}" for other in taken if may_meet(other, claim.pattern))
                chosen = selector(own, f"{pod}=~{quote(claim.pattern)}", *former)
                groups.append(f'label_replace({total} ({merge}({chosen})), "{GROUP}", {quote(claim.tenant)}, "", "")')
                taken.append(claim.pattern)
        rest = (f"{pod}!~{quote(other)}" for other in taken)
        groups.append(f"{total} ({merge}({selector(own, *rest)}))")
    return {
        "group": [f"max_over_time(({group}){range_})" for group in groups],
        "pod": [f"max_over_time((sum by ({', '.join(keep)}) ({merge}({selector()}))){range_})"],
        "covered": [f"count_over_time((group({selector()})){range_}) * {step}"],
    }


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
