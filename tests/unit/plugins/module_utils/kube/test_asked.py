"""Options that lack what every object has are refused with their place; null is not a number."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.asked import checked
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.refusal import RefusedAll

NAMED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}}
DEPLOYMENT: dict[str, Any] = {**NAMED, "apiVersion": "apps/v1", "kind": "Deployment"}
POD: dict[str, Any] = {"template": {"spec": {"containers": []}}}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({}, "(no kind) lacks apiVersion, kind, metadata.name"),
        ({**NAMED, "kind": None}, "(no kind) lacks kind"),
        ({**NAMED, "metadata": {}}, "(ConfigMap) lacks metadata.name"),
        ({**NAMED, "metadata": "c"}, "(ConfigMap) lacks metadata.name"),
        ({**NAMED, "apiVersion": ""}, "(ConfigMap) lacks apiVersion"),
    ],
)
def test_what_an_item_lacks_is_said_with_its_place(item: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedAll) as refused:
        checked([NAMED, item], [item])
    assert str(refused.value) == (
        f"Nothing was changed, because of the options; add what is missing:\n- present[1] {said}\n- absent[0] {said}"
    )


@pytest.mark.parametrize("spec", [None, {}, {"template": None}, {"template": {"metadata": {}}}, "replicas: 1"])
def test_a_deployment_needs_its_pods_to_be_applied_and_not_to_be_removed(spec: Any) -> None:
    item = {**DEPLOYMENT, "spec": spec}
    with pytest.raises(RefusedAll, match=r"- present\[0\] \(Deployment\) lacks spec\.template\.spec$"):
        checked([item], [])
    assert checked([], [DEPLOYMENT, item]) == ([], [DEPLOYMENT, item])


def test_replicas_that_are_null_are_left_out_and_0_is_a_number() -> None:
    null, zero = ({**DEPLOYMENT, "spec": {**POD, "replicas": number}} for number in (None, 0))
    assert checked([NAMED, null, zero], []) == ([NAMED, {**DEPLOYMENT, "spec": POD}, zero], [])
    assert "replicas" in null["spec"], "what was asked for is not changed in place"
