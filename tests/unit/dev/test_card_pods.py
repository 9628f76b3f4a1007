"""Which pods hold VRAM: what the API server says of a pod, and a pod's life as the ledger sees it."""

from __future__ import annotations

from typing import Any

import pytest

from dev.card.pods import Ledger, forget, from_api, observe

STARTED = "2026-11-21T09:00:10Z"
STARTED_SECONDS = 1795251610.0


def api_pod(**status: Any) -> dict[str, Any]:
    """A running, ready pod with two time slices, as the API server lists it."""
    return {
        "metadata": {
            "uid": "u1",
            "namespace": "stt",
            "name": "speaches-1",
            "creationTimestamp": "2026-11-21T09:00:00Z",
        },
        "spec": {
            "nodeName": "gpu-1",
            "containers": [
                {"name": "sidecar"},
                {"name": "speaches", "resources": {"limits": {"nvidia.com/gpu": "2", "memory": "1Gi"}}},
            ],
        },
        "status": {
            "phase": "Running",
            "startTime": "2026-11-21T09:00:05Z",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "speaches", "state": {"running": {"startedAt": STARTED}}}],
            **status,
        },
    }


def deleted(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "metadata": {**item["metadata"], "deletionTimestamp": "2026-11-21T09:01:00Z"}}


def test_a_pod_of_the_api_server() -> None:
    pod = from_api(api_pod())
    assert (pod.namespace, pod.name, pod.node, pod.container, pod.slices) == (
        "stt",
        "speaches-1",
        "gpu-1",
        "speaches",
        2,
    )
    assert pod.started_at == STARTED_SECONDS
    assert (pod.running, pod.ready, pod.terminating) == (True, True, False)


@pytest.mark.parametrize(
    ("status", "started_at"),
    [
        ({"containerStatuses": None}, STARTED_SECONDS - 5),
        ({"containerStatuses": [], "startTime": None}, STARTED_SECONDS - 10),
    ],
)
def test_without_a_started_container_older_times_serve(status: dict[str, Any], started_at: float) -> None:
    assert from_api(api_pod(**status)).started_at == started_at


def test_a_pod_that_was_only_created_is_read_too() -> None:
    item = {**api_pod(), "status": {}, "spec": {"containers": [{"name": "main"}]}}
    pod = from_api(item)
    assert (pod.running, pod.ready, pod.node, pod.slices) == (False, False, "", 0)


@pytest.mark.parametrize(
    ("item", "holds"),
    [
        pytest.param(api_pod(), True, id="running and ready"),
        pytest.param(api_pod(conditions=[{"type": "Ready", "status": "False"}]), False, id="not ready yet"),
        pytest.param(api_pod(phase="Pending"), False, id="pending"),
        pytest.param(api_pod(phase="Succeeded"), False, id="done"),
        pytest.param(
            api_pod(containerStatuses=[{"name": "speaches", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]),
            False,
            id="crash loop",
        ),
        pytest.param(deleted(api_pod(conditions=[])), True, id="terminating when first seen"),
        pytest.param(deleted(api_pod(phase="Pending", conditions=[])), False, id="deleted before it ran"),
    ],
)
def test_who_comes_in(item: dict[str, Any], *, holds: bool) -> None:
    assert bool(observe({}, [from_api(item)], 100.0)) is holds


def look(ledger: Ledger, now: float, *items: dict[str, Any]) -> Ledger:
    return observe(ledger, [from_api(item) for item in items], now)


def test_a_pod_keeps_its_vram_until_it_is_gone() -> None:
    ledger = look({}, 0.0, api_pod())
    for later, item in enumerate([api_pod(conditions=[]), deleted(api_pod(conditions=[]))]):
        ledger = look(ledger, 1.0 + later, item)
        assert ledger["u1"].gone_at is None
    ledger = look(look(ledger, 3.0), 4.0)
    assert ledger["u1"].gone_at == 3.0, "the first look without it counts"


def test_a_restarted_container_loads_again() -> None:
    ledger = look({}, 0.0, api_pod())
    ledger = look(ledger, 1.0, api_pod(containerStatuses=[{"name": "speaches", "state": {"waiting": {}}}]))
    assert ledger["u1"].gone_at == 1.0
    again = [{"name": "speaches", "state": {"running": {"startedAt": "2026-11-21T09:05:00Z"}}}]
    ledger = look(ledger, 2.0, api_pod(containerStatuses=again))
    assert (ledger["u1"].gone_at, ledger["u1"].pod.started_at) == (None, STARTED_SECONDS + 290)


def test_what_went_long_ago_is_forgotten() -> None:
    ledger = look(look({}, 0.0, api_pod()), 10.0)
    assert forget(ledger, 10.0) == ledger
    assert forget(ledger, 10.5) == {}
