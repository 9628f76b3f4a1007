"""Refusals, in the API server's own words, as messages that name the object, the field and the remedy."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.sharedgpu.voice.plugins.module_utils.kube.refusal import (
    IN_PLACE,
    OTHERWISE,
    Refused,
    status_of,
)

ITEM = {"kind": "Service", "metadata": {"name": "tts", "namespace": "voice"}}


def refused(message: str, code: int = 422, causes: list[dict[str, str]] | None = None, **details: Any) -> Refused:
    return Refused(ITEM, {"message": message, "code": code, "details": {"causes": causes or [], **details}})


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("spec.selector: field is immutable", IN_PLACE),
        ("spec is immutable after creation except resources.requests", IN_PLACE),
        ("spec.clusterIPs[0]: Invalid value: may not change once set", IN_PLACE),
        ("value: Forbidden: may not be changed in an update.", IN_PLACE),
        ("updates to statefulset spec for fields other than 'replicas' are forbidden", IN_PLACE),
        ("only dynamically provisioned pvc can be resized and the storageclass must support resize", IN_PLACE),
        ("exceeded quota: tenants, requested: memory=4Gi", "raise the ResourceQuota"),
        ("maximum memory usage per Container is 1Gi, but limit is 4Gi", "keep within the LimitRange"),
        ("no PriorityClass with name voice was found", "gpu_namespace_priority_class"),
        ('violates PodSecurity "restricted:latest"', "pod-security label"),
        (".spec.replicaz: field not declared in schema", "check its spelling"),
        ('User "a" cannot patch resource "pods"', "give the user of the kubeconfig this right"),
        ("admission webhook denied the request", "satisfy the admission policy"),
        ("must be between 1 and 65535", OTHERWISE),
    ],
)
def test_every_known_refusal_has_its_remedy(said: str, remedy: str) -> None:
    message = str(refused(said))
    assert message.startswith(f"Service voice/tts: {said}; ")
    assert remedy in message


def test_causes_name_their_fields_once_and_leave_out_repeated_values() -> None:
    huge = "Invalid value: " + json.dumps({"template": "x" * 5000}) + ": field is immutable"
    causes = [{"field": "spec.template", "message": huge}, {"field": "spec.template", "message": huge}]
    text = refused("ignored", causes=causes).text
    assert text.startswith("spec.template: Invalid value: ")
    assert text.endswith("…: field is immutable")
    assert len(text) < 200


IMMUTABLE = "Forbidden: spec is immutable after creation except resources.requests for bound claims"


@pytest.mark.parametrize(
    ("difference", "told"),
    [
        (
            '@@ -10,7 +10,7 @@\n  },\n  "V": "",\n- "StorageClassName": "",\n+ "StorageClassName": "fast",\n }\n',
            '- "StorageClassName": "", + "StorageClassName": "fast"',
        ),
        (
            '@@ -1,6 +1,6 @@\n {\n  "AccessModes": [\n-  "ReadWriteMany"\n+  "ReadWriteOnce"\n  ],\n  "Resources": {\n',
            '"AccessModes": [ - "ReadWriteMany", + "ReadWriteOnce"',
        ),
        (
            '  core.PersistentVolumeClaimSpec{\n  \t... // 2 more\n- \tVolumeName: "a",\n+ \tVolumeName: "b",\n  }\n',
            '- VolumeName: "a", + VolumeName: "b"',
        ),
    ],
    ids=["field", "entry of a list", "older form"],
)
@pytest.mark.parametrize("rest", ["", " " * 300], ids=["short", "long"])
def test_of_a_difference_the_complaint_and_the_changed_lines_are_told(difference: str, told: str, rest: str) -> None:
    message = f"{IMMUTABLE}\n{difference}{rest}"
    found = refused("ignored", causes=[{"field": "spec", "message": message}])
    assert found.text == f"spec: {IMMUTABLE} ({told})"
    assert found.remedy == IN_PLACE


def test_lines_of_a_message_that_shows_no_difference_stay() -> None:
    said = "admission webhook denied the request:\nrules\n- a\n- b"
    assert refused(said).text == said


def test_a_missing_namespace_and_a_conflict_are_known() -> None:
    missing = refused('namespaces "voice" not found', 404, kind="namespaces", name="voice")
    assert missing.missing_namespace == "voice"
    assert "create the namespace voice first (role gpu_namespace" in str(missing)
    assert refused("services not found", 404, kind="services", name="voice").missing_namespace is None
    assert refused("the object has been modified", 409).conflict
    assert "somebody changed it at the same time: run again" in str(refused("modified", 409))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"kind": "Status", "message": "m", "code": 422}', {"kind": "Status", "message": "m", "code": 422}),
        ('{"kind": "Status", "message": "m"}', {"kind": "Status", "message": "m"}),
        ("<html>Bad gateway</html>", {"message": "<html>Bad gateway</html>", "code": 502}),
        ('{"kind": "Pod"}', {"message": '{"kind": "Pod"}', "code": 502}),
        ("[]", {"message": "[]", "code": 502}),
        (None, {"message": "HTTP status 502", "code": 502}),
        (b"\xff", {"message": "\ufffd", "code": 502}),
    ],
)
def test_an_answer_that_is_no_status_is_still_told(body: object, expected: dict[str, Any]) -> None:
    assert status_of(body, 502) == expected
