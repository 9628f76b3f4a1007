# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The valid_plan filter: a plan comes back as it was written, or not at all."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.filter.valid_plan import FilterModule

valid_plan = FilterModule().filters()["valid_plan"]

PLAN: dict[str, Any] = {
    "prometheus_url": "http://prometheus.monitoring.svc:9090",
    "cards": [{"name": "t4", "total": "15Gi"}],
    "tenants": [{"name": "stt", "mode": "warm", "peak": "1.5Gi", "namespace": "portal-stt"}],
}


def test_a_plan_comes_back_as_it_was_written() -> None:
    assert valid_plan(copy.deepcopy(PLAN)) == PLAN


def test_what_is_null_counts_as_left_out() -> None:
    nothing = dict.fromkeys(["profile", "lookback", "max_age", "margin", "checks"])
    assert valid_plan({**PLAN, **nothing}) == PLAN
    assert valid_plan({**PLAN, "margin": 0})["margin"] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margn": "2Gi"}, ["vram_plan", "margn"]),
        ({"margin": "6GB"}, ["vram_plan.margin", "'6GB'", "6Gi"]),
        ({"profile": "bogus"}, ["vram_plan.profile", "'bogus'", "gpu_pod_exporter"]),
        ({"lookback": "7"}, ["vram_plan.lookback", "'7'", "7d"]),
        ({"max_age": "0s"}, ["vram_plan.max_age", "'0s'", "2m"]),
        ({"checks": {"blnd": "warn"}}, ["vram_plan.checks", "'blnd'", "blind"]),
        ({"prometheus_url": ""}, ["vram_plan.prometheus_url", "is missing", "http://"]),
        ({"prometheus_url": None}, ["vram_plan.prometheus_url", "is missing", "http://"]),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused_by_name(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        valid_plan({**PLAN, **change})
    assert [word for word in ["sharedgpu.voice.valid_plan", *words] if word not in str(caught.value)] == []


WINDOW = {"start": "02:00", "end": "06:00", "timezone": "Europe/London"}


@pytest.mark.parametrize(
    ("window", "words"),
    [
        ({"start": "02:00", "end": "06:00"}, ["timezone", "is missing", "Europe/London"]),
        ({**WINDOW, "timezone": "Europe/Londn"}, ["timezone", "'Europe/Londn'", "IANA"]),
        ({**WINDOW, "end": "25:00"}, ["end", "'25:00'", "23:59"]),
        ({**WINDOW, "end": "02:00"}, ["end", "'02:00'", "24:00"]),
        ({**WINDOW, "days": ["mon", "tues"]}, ["days[1]", "'tues'", "tue, wed"]),
    ],
)
def test_a_window_that_cannot_be_meant_is_refused_before_anything_is_measured(
    window: dict[str, Any], words: list[str]
) -> None:
    target = {"kind": "Deployment", "name": "chatterbox"}
    gated = {"name": "tts", "mode": "gated", "peak": "4Gi", "namespace": "tts", "target": target}
    with pytest.raises(AnsibleFilterError) as caught:
        valid_plan({**PLAN, "tenants": [*PLAN["tenants"], {**gated, "windows": [WINDOW, window]}]})
    wanted = ["vram_plan.tenants[1].windows[1].", *words]
    assert [word for word in wanted if word not in str(caught.value)] == []


@pytest.mark.parametrize("value", [None, [], "plan", 7])
def test_what_is_no_plan_is_refused(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match="vram_plan"):
        valid_plan(value)
