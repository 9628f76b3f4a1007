# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a plan: everything is checked here, before anything is measured or changed."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any, Optional, TypeVar

from .cards import same_uuid
from .declared import DEFAULT_MARGIN, GATED, MODES, Card, Plan, Target, Tenant
from .errors import InputError
from .fields import Fields
from .quantity import GIB, TIB, format_size
from .windows import parse_window

T = TypeVar("T")

PLAN_KEYS = ("prometheus_url", "profile", "lookback", "max_age", "margin", "checks", "cards", "tenants")
#: what only the gate reads (:mod:`~.policy`)
GATE_KEY = "gate"
CARD_KEYS = ("name", "node", "uuid", "total")
TENANT_KEYS = ("name", "card", "mode", "peak", "namespace", "pods", "floor", "target", "windows", "may_yield")
GATED_ONLY = ("floor", "windows", "may_yield")

#: what Python's regular expressions have and those of Prometheus (https://github.com/google/re2/wiki/Syntax) have not
_PYTHON_ONLY = re.compile(r"\(\?(?!:)|\\[1-9Z]|[*+?}]\+|\{,|\[\[:")


def parse_plan(value: Any, where: str = "vram_plan") -> Plan:
    """Return the plan that ``value`` declares; raises :class:`InputError` at the first thing that cannot be meant.

    ``where`` is the path that errors begin with: the variable's name, or an empty text for a module's options.
    """
    fields = Fields(value, where, (*PLAN_KEYS, GATE_KEY))
    margin = fields.size("margin")
    cards = fields.items("cards", _card)
    _refuse_twins((card.name for card in cards), fields.at("cards"), "give each card a name of its own")
    _refuse_twins((same_uuid(card.uuid) for card in cards if card.uuid), fields.at("cards"), "declare each card once")
    tenants = fields.items("tenants", lambda entry, at: _tenant(entry, at, cards))
    plan = Plan(cards, tenants, DEFAULT_MARGIN if margin is None else margin)
    at = fields.at("tenants")
    _refuse_twins((tenant.name for tenant in tenants), at, "give each tenant a name of its own")
    _refuse_twins(
        ((claim.namespace, claim.pattern) for claim in plan.claims()),
        at,
        "two tenants claim the same pods: give each its own namespace, or 'pods', a regular expression on pod names",
    )
    _refuse_twins(
        ((tenant.namespace, tenant.target.name) for tenant in tenants if tenant.mode == GATED and tenant.target),
        at,
        "two gated tenants would scale the same target: give each its own",
    )
    return plan


def _card(value: Any, where: str) -> Card:
    fields = Fields(value, where, CARD_KEYS)
    total = fields.size("total")
    if total is not None and not GIB <= total <= TIB:
        remedy = "give the physical total, between 1Gi and 1Ti, or leave it out where an exporter knows it"
        raise fields.refuse("total", "is no card's memory", remedy)
    return Card(
        name=fields.name("name", "name the card, such as t4"),
        node=fields.text("node"),
        uuid=fields.text("uuid"),
        total_bytes=total,
    )


def _tenant(value: Any, where: str, cards: tuple[Card, ...]) -> Tenant:
    fields = Fields(value, where, TENANT_KEYS)
    mode = fields.choice("mode", MODES)
    for key in GATED_ONLY:
        if mode != GATED and fields.get(key) is not None:
            raise fields.refuse(key, f"does not go with mode {mode}", f"leave it out or declare mode: {GATED}")
    return Tenant(
        name=fields.name("name", "name the tenant, such as stt"),
        mode=mode,
        namespace=fields.label("namespace", "name the namespace of its pods"),
        card=_card_name(fields, cards),
        peak_bytes=_peak(fields, cards),
        pods=_pod_pattern(fields),
        floor_bytes=fields.size("floor"),
        target=_target(fields, mode),
        may_yield=fields.flag("may_yield", default=True),
        windows=fields.items("windows", _window),
    )


def _card_name(fields: Fields, cards: tuple[Card, ...]) -> Optional[str]:
    name = fields.text("card")
    declared = ", ".join(card.name for card in cards)
    if name is None and len(cards) > 1:
        raise fields.refuse("card", "is missing", f"several cards are declared: say on which it runs, {declared}")
    if name is not None and cards and name not in [card.name for card in cards]:
        raise fields.refuse("card", "is not declared under cards", f"declared: {declared}")
    return name if name is not None or not cards else cards[0].name


def _peak(fields: Fields, cards: tuple[Card, ...]) -> int:
    fields.required("peak", "declare the most VRAM that it takes, such as 1536Mi")
    peak = fields.size("peak") or 0
    name = _card_name(fields, cards)
    total = next((card.total_bytes for card in cards if card.name == name), None)
    if total is not None and peak > total:
        raise fields.refuse(
            "peak", f"is more than all of card {name} ({format_size(total)})", "correct the peak or the card's total"
        )
    return peak


def _target(fields: Fields, mode: str) -> Optional[Target]:
    value = fields.get("target")
    if value is None:
        if mode == GATED:
            raise fields.refuse(
                "target",
                "is missing",
                "a gated tenant needs what the gate scales, such as {kind: Deployment, name: chatterbox-tts}",
            )
        return None
    entry = Fields(value, fields.at("target"), ("kind", "name"))
    return Target(kind=entry.choice("kind", ("Deployment",)), name=entry.label("name", "name the Deployment"))


def _pod_pattern(fields: Fields) -> Optional[str]:
    pattern = fields.text("pods")
    only = _PYTHON_ONLY.search(pattern or "")
    if only:
        raise fields.refuse(
            "pods", f"holds {only.group()!r}, which Prometheus does not know", "write it in RE2, such as speaches-.+"
        )
    try:
        re.compile(pattern or "")
    except (re.error, OverflowError) as error:
        raise fields.refuse("pods", f"is no regular expression ({error})", "write one such as speaches-.+") from error
    return pattern


def _window(value: Any, where: str) -> Mapping[str, Any]:
    parse_window(value, where)
    return dict(value)


def _refuse_twins(keys: Iterable[Hashable], where: str, remedy: str) -> None:
    seen = set()
    for key in keys:
        if key in seen:
            raise InputError(where, key, "is declared twice", remedy)
        seen.add(key)
