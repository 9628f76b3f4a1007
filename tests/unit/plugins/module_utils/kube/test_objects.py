"""Objects as data: what is sent is what is read, who owns the scale, what counts as a change."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube import objects
from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.text import as_text

US = "sharedgpu.voice"
# A lone surrogate is no text: UTF-8 cannot carry it.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def owned(*owners: tuple[str, str]) -> dict[str, Any]:
    entries = [
        {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:replicas": {}}}}
        for manager, operation in owners
    ]
    other = {"manager": US, "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}}
    return {"metadata": {"managedFields": [other, *entries]}}


@given(TEXT)
def test_yaml_and_json_read_the_sent_body_alike(text: str) -> None:
    item = {"data": {"value": text, "list": [text, 1, True, None]}}
    body = objects.apply_body(item)
    assert json.loads(body) == item
    assert yaml.safe_load(body) == item


@given(TEXT)
def test_the_text_of_a_difference_is_yaml_of_the_object(text: str) -> None:
    item = {"metadata": {"name": "x"}, "data": {"value": text}}
    assert yaml.safe_load(as_text(item)) == item


@pytest.mark.parametrize(
    ("live", "resets"),
    [
        (owned((US, "Apply")), True),
        (owned((US, "Apply"), (f"{US}/replicas", "Apply")), False),
        (owned((f"{US}/replicas", "Apply")), False),
        (owned((US, "Update")), False),
        (owned(("kubectl", "Update")), False),
        (owned(), False),
        ({"metadata": {}}, False),
    ],
    ids=["only we", "we and the second", "the second", "an update of ours", "somebody", "nobody", "no bookkeeping"],
)
def test_leaving_the_replicas_out_resets_them_only_where_nobody_else_owns_them(
    live: dict[str, Any], resets: bool
) -> None:
    assert objects.scale_would_reset(live, US) is resets


def test_a_claim_of_the_scale_holds_only_for_what_was_read() -> None:
    metadata = {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7", "labels": {"a": "b"}}
    live = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 0, "x": 1}}
    assert objects.scale_claim(live) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "n", "uid": "u", "resourceVersion": "7"},
        "spec": {"replicas": 0},
    }


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"status": {"ready": 1}}, True),
        ({"metadata": {"name": "x", "resourceVersion": "9", "generation": 3, "managedFields": []}}, True),
        ({"metadata": {"name": "x", "labels": {"a": "b"}}}, False),
        ({"spec": {"replicas": 2}}, False),
    ],
)
def test_only_what_a_person_means_is_a_change(change: dict[str, Any], same: bool) -> None:
    live = {"kind": "Deployment", "metadata": {"name": "x", "uid": "u"}, "spec": {"replicas": 1}}
    assert (objects.visible(live) == objects.visible({**live, **change})) is same


def test_a_released_volume_forgets_the_claim_that_is_gone_and_no_other_does() -> None:
    volume = {"kind": "PersistentVolume", "spec": {"claimRef": {"name": "c", "namespace": "n"}}}
    for phase, uid in (("Released", {"uid": ""}), ("Bound", {}), ("Available", {})):
        claim = objects.rebound(volume, {"status": {"phase": phase}})["spec"]["claimRef"]
        assert claim == {"name": "c", "namespace": "n", **uid}
    assert objects.rebound(volume, None) is volume
    unclaimed = {"kind": "PersistentVolume", "spec": {}}
    assert objects.rebound(unclaimed, {"status": {"phase": "Released"}}) is unclaimed


def test_what_somebody_applied_is_compared_by_fields_and_what_they_updated_is_not() -> None:
    ours = owned((US, "Update"), ("kubectl", "Apply"))
    assert objects.applied_fields(ours, US) == {"f:spec": {"f:template": {}}}
    assert objects.applied_fields(ours, "kubectl") == {"f:spec": {"f:replicas": {}}}
    assert objects.applied_fields(ours, "others") is None
    assert objects.applied_by(ours, US)
    assert not objects.applied_by({"metadata": {}}, US)


@pytest.mark.parametrize(
    ("item", "selector"),
    [
        ({"spec": {"selector": {"matchLabels": {"a": "b", "c": "d"}}}}, "a=b,c=d"),
        (
            {
                "spec": {
                    "selector": {
                        "matchLabels": {"a": "b"},
                        "matchExpressions": [
                            {"key": "in", "operator": "In", "values": ["x", "y"]},
                            {"key": "out", "operator": "NotIn", "values": ["z"]},
                            {"key": "has", "operator": "Exists"},
                            {"key": "not", "operator": "DoesNotExist"},
                        ],
                    }
                }
            },
            "a=b,in in (x,y),out notin (z),has,!not",
        ),
        ({"metadata": {"labels": {"sharedgpu.voice/workload": "tts", "app": "x"}}}, "sharedgpu.voice/workload=tts"),
        (
            {
                "metadata": {"labels": {"sharedgpu.voice/workload": "tts"}},
                "spec": {"selector": {"matchLabels": {"a": "b"}}},
            },
            "a=b",
        ),
        ({"metadata": {"labels": {"app": "x"}}}, ""),
        ({"metadata": {}, "spec": None}, ""),
    ],
)
def test_pods_are_found_as_the_deployment_says(item: dict[str, Any], selector: str) -> None:
    assert objects.selector_of({"metadata": {}, **item}) == selector


def test_the_rehearsal_of_a_job_has_another_name_that_is_short_enough() -> None:
    job = {"kind": "Job", "metadata": {"name": "n" * 63, "namespace": "n"}, "spec": {"a": 1}}
    rehearsed = objects.rehearsal_of(job)
    assert rehearsed == {**job, "metadata": {"name": "n" * 50 + "-rehearsal", "namespace": "n"}}


@pytest.mark.parametrize(
    ("asked", "admitted", "said"),
    [
        ("voice", "voice", None),
        ("", "tier-2", None),
        ("voice", "tier-2", "'voice' was asked for, an admission policy made it 'tier-2'"),
        ("voice", None, "'voice' was asked for, an admission policy made it ''"),
    ],
)
def test_an_overruled_priority_is_told_with_both_values(asked: str, admitted: str | None, said: str | None) -> None:
    template = {"spec": {"priorityClassName": asked}}
    deployment = {"kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}}
    told = objects.rewritten_priority(deployment, {"spec": {"priorityClassName": admitted}})
    assert (told is None) if said is None else (said in (told or ""))
