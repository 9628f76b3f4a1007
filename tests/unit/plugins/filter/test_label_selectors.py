# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that tells which pods are a Deployment's: one requirement too few would wait for pods of others."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.filter.label_selectors import FilterModule

label_selectors = FilterModule().filters()["label_selectors"]


def test_labels_and_expressions_of_every_operator_count() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["voice", "night"]},
        {"key": "stage", "operator": "NotIn", "values": ["test"]},
        {"key": "example.org/gpu", "operator": "Exists"},
        {"key": "legacy", "operator": "DoesNotExist"},
    ]
    wanted = ["tier in (voice,night)", "stage notin (test)", "example.org/gpu", "!legacy"]
    assert label_selectors({"matchExpressions": expressions}) == wanted
    assert label_selectors({"matchLabels": {"app": "tts"}, "matchExpressions": expressions}) == ["app=tts", *wanted]
    assert label_selectors({"matchLabels": {"app": "tts", "empty": ""}}) == ["app=tts", "empty="]


@pytest.mark.parametrize(
    "selector",
    [None, {}, "app=tts", {"matchLabels": {}}, {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}],
)
def test_what_would_choose_every_pod_is_refused(selector: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"use spec\.selector of a Deployment"):
        label_selectors(selector)
