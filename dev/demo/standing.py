"""What stands after the main job: the services as the API server has them, the card as it is in truth."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from dev import loopback

from .stages import Failed, Local

SELECTOR = "app.kubernetes.io/part-of=sharedgpu-voice"
HELD_WITHIN = 15.0
BAR = 30
GIB = 1 << 30


def standing(local: Local) -> str:
    """Return a table of the voice services."""
    pods = _items(local, "v1", "Pod")
    services = _items(local, "v1", "Service")
    rows = [("NAMESPACE", "DEPLOYMENT", "REPLICAS", "POD", "STATE", "ADDRESS IN THE CLUSTER")]
    for deployment in _items(local, "apps/v1", "Deployment"):
        meta, replicas = deployment["metadata"], deployment["spec"]["replicas"]
        own = [pod for pod in pods if _mine(pod, deployment)]
        ports = [
            f"http://{service['metadata']['name']}.{meta['namespace']}.svc:{service['spec']['ports'][0]['port']}"
            for service in services
            if _mine(service, deployment)
        ]
        states = [(pod["metadata"]["name"], _state(pod)) for pod in own] or [("-", "waits for its gate")]
        rows += [(meta["namespace"], meta["name"], str(replicas), *state, " ".join(ports)) for state in states]
    return _aligned(rows)


def held(local: Local) -> str:
    """Return who holds how much of the simulated card, by its own account, once speech to text is on it."""
    deadline = time.monotonic() + HELD_WITHIN
    while True:
        answer = loopback.get(f"{local.environ['CARD_URL']}/control/state", timeout=10)
        answer.raise_for_status()
        cards = answer.json()["cards"]
        if any(resident["namespace"] == "portal-stt" for card in cards for resident in card["residents"]):
            return "\n".join(line for card in cards for line in _card(card))
        if time.monotonic() > deadline:
            raise Failed(f"speech to text did not come to the simulated card within {HELD_WITHIN:.0f} s")
        time.sleep(0.2)


def _card(card: dict[str, Any]) -> Iterator[str]:
    total = card["total_bytes"]
    others = card["used_bytes"] - sum(resident["used_bytes"] for resident in card["residents"])
    yield f"{card['model']} {card['name']}, {_gib(total)} (simulated)"
    for resident in card["residents"]:
        yield _bar(resident["used_bytes"], total, f"{resident['namespace']}/{resident['pod']}")
    yield _bar(others, total, "processes without a pod")
    yield _bar(card["reserved_bytes"], total, "reserved by the driver")
    yield _bar(card["free_bytes"], total, "free")


def _bar(size: int, total: int, name: str) -> str:
    return f"  {'█' * round(size / total * BAR):<{BAR}}  {_gib(size)}  {name}"


def _items(local: Local, api_version: str, kind: str) -> list[dict[str, Any]]:
    found = local.kube.resources.get(api_version=api_version, kind=kind).get(label_selector=SELECTOR)
    items: list[dict[str, Any]] = found.to_dict()["items"]
    return items


def _mine(item: dict[str, Any], deployment: dict[str, Any]) -> bool:
    wanted = deployment["spec"]["selector"]["matchLabels"].items()
    same = item["metadata"]["namespace"] == deployment["metadata"]["namespace"]
    return bool(same and wanted <= item["metadata"]["labels"].items())


def _state(pod: dict[str, Any]) -> str:
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
    return f"{'ready' if ready else pod['status']['phase']} on {pod['spec'].get('nodeName', 'no node')}"


def _gib(size: int) -> str:
    return f"{size / GIB:5.2f} GiB"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
