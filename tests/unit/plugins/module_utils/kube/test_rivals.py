# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who else scales a target, as the API server shows it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.rivals import Others, Target, rivals

TARGET = Target("tts", "tts", "chatterbox")
GATE = ("offpeak-gate", "offpeak-gate")


def scaler(name: str, kind: str | None = "Deployment", target: str = "chatterbox", owner: str = "") -> dict[str, Any]:
    """Return a HorizontalPodAutoscaler or a ScaledObject: both name their target in the same place."""
    aim = {"name": target, **({"kind": kind} if kind else {})}
    owners = [{"kind": owner, "name": "owner"}] if owner else []
    return {"metadata": {"name": name, "ownerReferences": owners}, "spec": {"scaleTargetRef": aim}}


def role(name: str, *targets: str, resource: str = "deployments/scale") -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": [{"resources": [resource], "resourceNames": list(targets)}]}


def binding(role_name: str, namespace: str, name: str) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return {"metadata": {"name": role_name}, "roleRef": {"name": role_name}, "subjects": [subject]}


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (Others(), []),
        (Others(autoscalers=[scaler("rival")]), ["HorizontalPodAutoscaler rival"]),
        (Others(autoscalers=[scaler("rival", target="other")]), []),
        (Others(autoscalers=[scaler("rival", kind="StatefulSet")]), []),
        (Others(scaled_objects=[scaler("nightly", kind=None)]), ["ScaledObject nightly"]),
        (Others(scaled_objects=[scaler("nightly", kind="StatefulSet")]), []),
        (
            Others(autoscalers=[scaler("keda-hpa-nightly", owner="ScaledObject")], scaled_objects=[scaler("nightly")]),
            ["ScaledObject nightly"],
        ),
        (
            Others(autoscalers=[scaler("a"), scaler("b")], scaled_objects=[scaler("c")]),
            ["ScaledObject c", "HorizontalPodAutoscaler a", "HorizontalPodAutoscaler b"],
        ),
    ],
)
def test_autoscalers_of_the_target_are_named(others: Others, expected: list[str]) -> None:
    assert rivals(TARGET, others, GATE) == expected


def test_another_gate_with_rights_over_the_target_is_named() -> None:
    roles = [role("offpeak-gate", "chatterbox"), role("second", "chatterbox"), role("third", "other")]
    bindings = [
        binding("offpeak-gate", *GATE),
        binding("second", "night", "second"),
        binding("third", "night", "third"),
    ]
    assert rivals(TARGET, Others(roles=roles, bindings=bindings), GATE) == ["the gate second of namespace night"]


def test_a_gate_of_the_same_name_in_another_namespace_is_another_gate() -> None:
    others = Others(
        roles=[role("offpeak-gate", "chatterbox")], bindings=[binding("offpeak-gate", "old", "offpeak-gate")]
    )
    assert rivals(TARGET, others, GATE) == ["the gate offpeak-gate of namespace old"]


def test_rights_over_pods_are_no_rights_over_the_scale() -> None:
    others = Others(roles=[role("second", "chatterbox", resource="pods")], bindings=[binding("second", "n", "second")])
    assert rivals(TARGET, others, GATE) == []
