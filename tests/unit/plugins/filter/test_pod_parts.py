"""The lists of a tenant's pod, from what people write."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.filter.pod_parts import FilterModule, pod_parts

NOTHING: dict[str, Any] = {
    "env": {},
    "env_from_secrets": {},
    "image_pull_secrets": [],
    "claim": "",
    "claim_mounts": [],
    "empty_dirs": [],
    "config_map": "tts-config",
    "config_files": {},
    "config_path": "/etc/tts/",
    "config_single_files": False,
    "scripts_map": "tts-scripts",
    "scripts": {},
    "scripts_path": "/opt/tts",
}


def test_nothing_asked_for_is_nothing_at_all() -> None:
    assert FilterModule().filters()["pod_parts"](NOTHING) == {}


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        (
            {"env": {"A": "x", "B": True, "C": 1, "D": 1.5, "E": ""}},
            {
                "env": [
                    {"name": "A", "value": "x"},
                    {"name": "B", "value": "true"},
                    {"name": "C", "value": "1"},
                    {"name": "D", "value": "1.5"},
                    {"name": "E", "value": ""},
                ]
            },
        ),
        (
            {"env_from_secrets": {"KEY": {"name": "s", "key": "k", "optional": True}}},
            {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}]},
        ),
        ({"image_pull_secrets": ["a", "b"]}, {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}),
        (
            {"claim": "models", "claim_mounts": [{"path": "/m", "sub_path": "stt"}, {"path": "/r", "read_only": True}]},
            {
                "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models"}}],
                "volumeMounts": [
                    {"name": "models", "mountPath": "/m", "subPath": "stt"},
                    {"name": "models", "mountPath": "/r", "readOnly": True},
                ],
            },
        ),
        ({"claim_mounts": [{"path": "/m"}]}, {}),
        (
            {"config_files": {"a.yml": "x", "b.yml": "y"}},
            {
                "volumes": [{"name": "config", "configMap": {"name": "tts-config"}}],
                "volumeMounts": [{"name": "config", "mountPath": "/etc/tts", "readOnly": True}],
            },
        ),
        (
            {"config_files": {"a.yml": "x"}, "config_single_files": True},
            {
                "volumes": [{"name": "config", "configMap": {"name": "tts-config"}}],
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/tts/a.yml", "subPath": "a.yml", "readOnly": True}
                ],
            },
        ),
        (
            {"scripts": {"probe.sh": "x"}},
            {
                "volumes": [{"name": "scripts", "configMap": {"name": "tts-scripts", "defaultMode": 0o555}}],
                "volumeMounts": [{"name": "scripts", "mountPath": "/opt/tts", "readOnly": True}],
            },
        ),
        (
            {"empty_dirs": [{"name": "shm", "path": "/dev/shm", "size_limit": "1Gi", "medium": "Memory"}]},
            {
                "volumes": [{"name": "shm", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}}],
                "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
            },
        ),
    ],
)
def test_parts(asked: dict[str, Any], parts: dict[str, Any]) -> None:
    assert pod_parts({**NOTHING, **asked}) == parts


@pytest.mark.parametrize("value", [None, [], {"a": 1}])
def test_what_is_no_text_is_refused_by_name(value: object) -> None:
    with pytest.raises(AnsibleFilterError, match=r"gpu_tenant_env\.A: .* is no text; write it as a string"):
        pod_parts({**NOTHING, "env": {"A": value}})


def test_a_variable_from_two_places_is_refused() -> None:
    both = {"env": {"A": "1", "B": "2"}, "env_from_secrets": {"A": {"name": "s", "key": "k"}}}
    with pytest.raises(AnsibleFilterError, match="both set A; leave it in one of them"):
        pod_parts({**NOTHING, **both})
