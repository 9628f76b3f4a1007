# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that finds quantities which the API server would refuse after the first objects were made."""

from __future__ import annotations

import pytest

from ansible_collections.sharedgpu.voice.plugins.filter.wrong_quantities import FilterModule

wrong_quantities = FilterModule().filters()["wrong_quantities"]


def test_what_kubernetes_takes_is_taken() -> None:
    requests = {"cpu": "100m", "memory": "1.5Gi", "ephemeral-storage": "1e9", "nvidia.com/gpu": 1}
    assert wrong_quantities({"requests": requests, "limits": {"cpu": 0.5, "memory": "2G"}}, "resources") == []
    assert wrong_quantities({}, "resources") == []
    assert wrong_quantities("20Gi", "size") == []


@pytest.mark.parametrize("value", ["2GB", "2 Gi", "2gi", "", "-1Gi", -1, True, None, ["1Gi"], float("inf")])
def test_what_it_refuses_is_named_with_its_place(value: object) -> None:
    found = wrong_quantities({"requests": {"cpu": 1, "memory": value}}, "stt_speaches_resources")
    assert len(found) == 1
    assert found[0].startswith(f"stt_speaches_resources.requests.memory: {value!r} is no Kubernetes quantity; write ")
