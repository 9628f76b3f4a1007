# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tenant filters: one tenant out of the plan, and labels that Kubernetes accepts whatever stands in the plan."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.sharedgpu.voice.plugins.filter.tenant import FilterModule
from tests import plans

tenant = FilterModule().filters()["tenant"]
tenant_labels = FilterModule().filters()["tenant_labels"]

WINDOW = {**plans.WINDOW, "days": ["mon"]}
PLAN: dict[str, Any] = {
    "prometheus_url": "http://prometheus.monitoring.svc:9090",
    "cards": plans.CARDS,
    "tenants": [plans.STT, plans.tts(windows=[WINDOW])],
}
LABEL_VALUE = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,61})?[A-Za-z0-9]", re.ASCII)


def test_a_tenant_has_every_key_and_sizes_in_bytes() -> None:
    assert tenant(PLAN, "tts") == {
        "name": "tts",
        "mode": "gated",
        "peak_bytes": 4 << 30,
        "namespace": "tts",
        "card": "t4",
        "pods": None,
        "floor_bytes": 6 << 30,
        "target": {"kind": "Deployment", "name": "chatterbox-tts"},
        "may_yield": True,
        "windows": [WINDOW],
    }
    assert tenant(PLAN, "stt")["floor_bytes"] is None
    assert tenant(PLAN, "stt")["windows"] == []


def test_the_plan_is_left_alone() -> None:
    plan = copy.deepcopy(PLAN)
    tenant(plan, "tts")["windows"][0]["start"] = "03:00"
    assert plan == PLAN


@pytest.mark.parametrize(
    ("plan", "name", "message"),
    [
        (PLAN, "ttss", "sharedgpu.voice.tenant: vram_plan.tenants: 'ttss' is not declared there; declared: stt, tts"),
        (PLAN, None, "sharedgpu.voice.tenant: None is no name"),
        ("plan", "tts", "sharedgpu.voice.tenant: vram_plan: 'plan' is not a mapping"),
        ({**PLAN, "tenant": []}, "tts", "sharedgpu.voice.tenant: vram_plan: 'tenant' is no known key"),
        (
            {"tenants": [{**PLAN["tenants"][0], "peak": "6GB"}]},
            "stt",
            "sharedgpu.voice.tenant: vram_plan.tenants[0].peak: '6GB' is not a size",
        ),
    ],
)
def test_refusal_names_the_filter_and_what_is_wrong(plan: object, name: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        tenant(plan, name)
    assert str(caught.value).startswith(message)


def test_labels_of_a_tenant() -> None:
    assert tenant_labels(tenant(PLAN, "tts"), app="chatterbox") == {
        "app.kubernetes.io/name": "chatterbox",
        "app.kubernetes.io/instance": "tts",
        "app.kubernetes.io/part-of": "sharedgpu-voice",
        "app.kubernetes.io/managed-by": "ansible",
        "sharedgpu.voice/tenant": "tts",
        "sharedgpu.voice/mode": "gated",
        "sharedgpu.voice/card": "t4",
    }
    assert tenant_labels(tenant(PLAN, "tts"))["app.kubernetes.io/name"] == "tts"


@pytest.mark.parametrize("value", [None, "tts", [], {}, {"name": "tts"}, PLAN])
def test_labels_refuse_what_is_no_tenant(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^sharedgpu\.voice\.tenant_labels: the input is no tenant"):
        tenant_labels(value)


@given(app=st.text() | st.text("a.-", min_size=60, max_size=80), card=st.none() | st.text())
@example(app="a" * 64, card="-" * 70)
def test_every_label_value_is_one_that_kubernetes_accepts(app: str, card: str | None) -> None:
    labels = tenant_labels({"name": "tts", "mode": "gated", "card": card}, app=app)
    assert all(LABEL_VALUE.fullmatch(value) for value in labels.values())
    assert labels["app.kubernetes.io/instance"] == "tts"
