# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exporters' pages read directly, so that the gate sees a change sooner than the scrape, as a reading.

There is no history: a tenant's peak is the declared one, or what it holds now where that is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from ..core.assemble import assemble
from ..core.cards import MeasuredCard
from ..core.declared import Plan
from ..core.errors import CONTRADICTION, Problem, QueryError, shown
from ..core.measure import look
from ..core.options import Options
from ..core.peaks import Peaks
from ..core.profiles import Profile, chosen
from ..core.queries import RECENT, card_labels
from ..core.reading import Reading
from ..core.samples import Sample
from ..core.trust import Facts
from .exposition import PageError, parse_page
from .transport import Channel, TransportError

MAX_BODY = 16 << 20
ACCEPT = "text/plain;version=0.0.4"
_TARGET = ("job", "instance")

SampleKey = tuple[str, frozenset[tuple[str, str]]]


class Exporters:
    """The pages of one or more exporters; each must answer, or the reading is not trusted."""

    def __init__(self, urls: Sequence[str], *, timeout: float) -> None:
        self._pages = [(urlsplit(url), Channel(_server(url), timeout=timeout, max_body=MAX_BODY)) for url in urls]
        #: when each metric was last seen, by target and by card's UUID (empty: it names none)
        self._spoke: dict[tuple[str, tuple[str, str], str], float] = {}

    def read(self, plan: Plan, options: Options, now: float) -> Reading:
        """Return the reading at ``now`` (Unix seconds); what keeps it from being trusted is in its ``problems``.

        Pages are read one after the other. What changed between two of them makes these contradict each other, and
        whoever fills the card just then would be seen a look later: such pages are read once more.
        """
        found = self._read(plan, options, now)
        contradicted = any(problem.code == CONTRADICTION for problem in found.problems)
        return self._read(plan, options, now) if contradicted and len(self._pages) > 1 else found

    def _read(self, plan: Plan, options: Options, now: float) -> Reading:
        profiles = chosen(options.profile)
        wanted = [(profile, metric) for profile in profiles for metric in profile.metrics()]
        samples: list[Sample] = []
        taken = {}
        try:
            for url, channel in self._pages:
                path = url.path + (f"?{url.query}" if url.query else "")
                for sample, at in _samples(_fetch(channel, path or "/metrics"), url.netloc, now):
                    if any(profile.matches(metric, sample.metric) for profile, metric in wanted):
                        samples.append(sample)
                        taken[sample.key] = at
        except QueryError as error:
            return Reading(problems=(Problem(error.code, error.message),))
        found = look(profiles, samples, self._facts(profiles, samples, taken, now), options.max_age)
        reading = assemble(plan, found.cards, found.holdings, Peaks())
        # A plan that names its cards misses its own.
        vanished = () if plan.cards else found.vanished
        problems = (*found.problems, *vanished, *reading.problems, *self._cardless(found.cards))
        return replace(reading, problems=problems, notes=(*found.notes, *reading.notes)).by_card()

    def _cardless(self, cards: Sequence[MeasuredCard]) -> tuple[Problem, ...]:
        """Return the problem of several exporters of which none tells of a card: one of them is there for that."""
        if cards or len(self._pages) == 1:
            return ()
        told = ", ".join(url.netloc for url, _channel in self._pages)
        return (Problem("source_silent", f"none of {told} tells the memory of a card: look at the exporters"),)

    def _facts(
        self, profiles: Sequence[Profile], samples: Iterable[Sample], taken: Mapping[SampleKey, float], now: float
    ) -> Facts:
        """Return what is known beside the samples: there is no store, so who spoke lately is remembered here."""
        labels = card_labels(profiles)
        for sample in samples:
            uuids = [sample.labels[label] for label in labels if label in sample.labels]
            self._spoke.update(((sample.metric, sample.target, uuid), now) for uuid in uuids or [""])
        self._spoke = {who: at for who, at in self._spoke.items() if abs(now - at) <= RECENT}
        return Facts(
            taken=taken,
            recent=frozenset(metric for metric, _target, _uuid in self._spoke),
            spoke=frozenset((metric, target) for metric, target, _uuid in self._spoke),
            cards=frozenset((metric, uuid) for metric, _target, uuid in self._spoke if uuid),
        )


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _fetch(channel: Channel, path: str) -> str:
    try:
        answer = channel.send("GET", path, {"Accept": ACCEPT})
    except TransportError as error:
        raise QueryError(error.code, f"exporter {error}") from error
    if answer.status != 200:
        raise QueryError("http_status", f"exporter {channel.url}{path}: answered HTTP {answer.status}")
    media = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media not in ("", "text/plain"):
        raise QueryError("not_an_exporter", f"exporter {channel.url}{path}: answered {shown(media)}, not text/plain")
    try:
        return answer.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise QueryError("bad_page", f"exporter {channel.url}{path}: the page is not UTF-8") from error


def _samples(page: str, instance: str, now: float) -> Iterable[tuple[Sample, float]]:
    """Return the page's samples as a scrape would store them, each with the time when it was taken."""
    try:
        series = list(parse_page(page))
    except PageError as error:
        raise QueryError("bad_page", f"exporter {instance}: {error}") from error
    for name, own, value, taken in series:
        labels = {f"exported_{key}" if key in _TARGET else key: text for key, text in own.items()}
        sample = Sample(name, {**labels, "job": "offpeak-gate", "instance": instance}, value, now)
        yield sample, now if taken is None else taken
