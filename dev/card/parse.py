"""The scenario file: YAML to `Scenario`, read strictly.

Sizes are Kubernetes quantities of whole MiB (`1536Mi`, `1.5Gi`); times are numbers with their unit in the name.
"""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from .exporters import EXPORTERS
from .exporters.settings import CHOICES, PATTERNS, Settings
from .fields import Fields, ScenarioError
from .scenario import Card, FixedPod, Growth, Host, Load, Match, OnDemand, Points, Scenario, Sine, Workload

if TYPE_CHECKING:
    from collections.abc import Sequence

_DRIVER_VERSION = "580.95.05"
_UUID = r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_SettingsT = TypeVar("_SettingsT", bound=Settings)


def load_scenario(text: str) -> Scenario:
    """The scenario of a YAML text. Raises `ScenarioError`."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ScenarioError("scenario", "the file", f"is not YAML: {error}") from error
    top = Fields(raw, "scenario")
    cards = _parse_cards(top)
    names = [card.name for card in cards]
    workloads = tuple(parse_workload(entry, names) for entry in top.entries("workloads", optional=True))
    exporters = _parse_exporters(top.group("exporters"))
    top.done()
    _refuse_twins("scenario.workloads", [workload.name for workload in workloads])
    return Scenario(cards, workloads, exporters)


def parse_workload(entry: Fields, cards: Sequence[str]) -> Workload:
    """One entry of `workloads`; also what the control's `add` takes."""
    workload = Workload(
        name=entry.text("name"),
        card=entry.choice("card", cards, **({"default": cards[0]} if len(cards) == 1 else {})),
        place=_parse_place(entry),
        load=_parse_load(entry),
        processes=entry.whole("processes", 1, least=1),
        process_name=entry.text("process_name", "python3"),
        graphics=entry.flag("graphics", default=False),
        leak_seconds=entry.number("leak_seconds", 0),
    )
    entry.done()
    return workload


def parse_growth(entry: Fields) -> Growth:
    growth = Growth(entry.size("per_minute"), entry.size("cap"))
    entry.done()
    return growth


def parse_settings(current: _SettingsT, entry: Fields) -> _SettingsT:
    """`current` with what the entry says."""
    told: dict[str, Any] = {}
    for field in dataclass_fields(current):
        default = getattr(current, field.name)
        if field.name in CHOICES:
            told[field.name] = entry.choice(field.name, CHOICES[field.name], default)
        elif isinstance(default, bool):
            told[field.name] = entry.flag(field.name, default)
        elif isinstance(default, float):
            told[field.name] = entry.number(field.name, default)
        else:
            told[field.name] = entry.matching(field.name, *PATTERNS[field.name], default)
    entry.done()
    return replace(current, **told)


def _parse_exporters(entry: Fields | None) -> dict[str, Settings]:
    settings = {name: exporter.defaults for name, exporter in EXPORTERS.items()}
    if entry is not None:
        told = {name: entry.group(name) for name in EXPORTERS}
        entry.done()
        settings |= {name: parse_settings(settings[name], group) for name, group in told.items() if group is not None}
    return settings


def _parse_cards(top: Fields) -> tuple[Card, ...]:
    cards: list[Card] = []
    for entry in top.entries("cards"):
        node = entry.text("node")
        cards.append(_parse_card(entry, node, index=sum(card.node == node for card in cards)))
    if not cards:
        raise ScenarioError("scenario.cards", cards, "is empty; describe at least one card")
    _refuse_twins("scenario.cards", [card.name for card in cards])
    _refuse_twins("scenario.cards", [card.uuid for card in cards])
    return tuple(cards)


def _parse_card(entry: Fields, node: str, index: int) -> Card:
    card = Card(
        name=entry.text("name"),
        node=node,
        uuid=entry.matching("uuid", _UUID, "GPU- and a UUID in lower case, as nvidia-smi -L shows it"),
        model=entry.text("model"),
        index=index,
        total_mib=entry.size("total"),
        reserved_mib=entry.size("reserved", "0"),
        unattributed_mib=entry.size("unattributed", "0"),
        driver_version=entry.text("driver_version", _DRIVER_VERSION),
        overcommit=entry.flag("overcommit", default=False),
    )
    entry.done()
    if card.usable_mib <= 0:
        raise ScenarioError(f"{entry.where}.total", f"{card.total_mib}Mi", "leaves nothing for residents")
    return card


def _parse_place(entry: Fields) -> Match | FixedPod | Host:
    ways = [way for way in ("match", "pod", "host") if way in entry]
    match, pod, host = entry.group("match"), entry.group("pod"), entry.flag("host", default=False)
    if len(ways) != 1 or (match is None and pod is None and not host):
        problem = "is not clear: give exactly one of match (pods of the API server), pod (a fixed one), host: true"
        raise ScenarioError(entry.where, ways, problem)
    if match is not None:
        node = match.regex("node") if "node" in match else None
        place: Match | FixedPod | Host = Match(match.regex("namespace"), match.regex("pod"), node)
        match.done()
    elif pod is not None:
        names = pod.text("namespace"), pod.text("name"), pod.text("container", "main")
        place = FixedPod(*names, slices=pod.whole("slices", 1, most=100))
        pod.done()
    else:
        place = Host()
    return place


def _parse_load(entry: Fields) -> Load:
    growth = entry.group("growth")
    return Load(
        idle_mib=entry.size("idle"),
        load_delay_seconds=entry.number("load_delay_seconds", 0),
        curve=_parse_curve(entry.group("curve")),
        growth=None if growth is None else parse_growth(growth),
        on_demand=_parse_on_demand(entry.group("on_demand")),
    )


def _parse_curve(entry: Fields | None) -> Sine | Points | None:
    if entry is None:
        return None
    if "points" in entry:
        curve: Sine | Points = _parse_points(entry)
    else:
        curve = Sine(entry.size("amplitude"), entry.number("period_minutes", above_zero=True) * 60)
    entry.done()
    return curve


def _parse_points(entry: Fields) -> Points:
    points = []
    for point in entry.entries("points"):
        points.append((point.number("minute") * 60, point.size("add")))
        point.done()
    times = [seconds for seconds, _ in points]
    if len(points) < 2 or times[0] != 0 or any(left >= right for left, right in pairwise(times)):
        raise ScenarioError(f"{entry.where}.points", times, "must be two points or more, from minute 0 on, in order")
    return Points(tuple(points))


def _parse_on_demand(entry: Fields | None) -> OnDemand | None:
    if entry is None:
        return None
    every = entry.number("every_minutes", above_zero=True) * 60 if "every_minutes" in entry else None
    on_demand = OnDemand(
        peak_mib=entry.size("peak"),
        awake_seconds=entry.number("awake_seconds", above_zero=True),
        first_seconds=entry.number("first_minute", 0) * 60,
        every_seconds=every,
    )
    entry.done()
    return on_demand


def _refuse_twins(where: str, names: list[str]) -> None:
    twins = [name for number, name in enumerate(names) if name in names[:number]]
    if twins:
        raise ScenarioError(where, twins[0], "is there twice; give each its own")
