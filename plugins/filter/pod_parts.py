# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lists of a tenant's pod: environment, pull secrets, volumes and their mounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

Entries = list[dict[str, Any]]

EXECUTABLE = 0o555


def pod_parts(settings: Mapping[str, Any]) -> dict[str, Entries]:
    """Return ``env``, ``imagePullSecrets``, ``volumes`` and ``volumeMounts`` of a pod; empty lists are left out."""
    parts: dict[str, Entries] = {
        "env": _env(settings["env"], settings["env_from_secrets"]),
        "imagePullSecrets": [{"name": name} for name in settings["image_pull_secrets"]],
        "volumes": _volumes(settings),
        "volumeMounts": _mounts(settings),
    }
    return {name: entries for name, entries in parts.items() if entries}


def _env(values: Mapping[str, Any], from_secrets: Mapping[str, Mapping[str, Any]]) -> Entries:
    twice = sorted(set(values) & set(from_secrets))
    if twice:
        raise AnsibleFilterError(
            f"gpu_tenant_env and gpu_tenant_env_from_secrets both set {', '.join(twice)}; leave it in one of them"
        )
    plain: Entries = [{"name": name, "value": _text(name, value)} for name, value in values.items()]
    return plain + [{"name": name, "valueFrom": {"secretKeyRef": dict(ref)}} for name, ref in from_secrets.items()]


def _text(name: str, value: object) -> str:
    """Return a value as a program reads it: YAML's true is ``true``, not Python's ``True``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise AnsibleFilterError(
            f"gpu_tenant_env.{name}: {value!r} is no text; write it as a string, JSON for instance"
        )
    return str(value)


def _volumes(settings: Mapping[str, Any]) -> Entries:
    volumes: Entries = []
    if settings["claim"]:
        volumes.append({"name": "models", "persistentVolumeClaim": {"claimName": settings["claim"]}})
    if settings["config_files"]:
        volumes.append({"name": "config", "configMap": {"name": settings["config_map"]}})
    if settings["scripts"]:
        volumes.append(
            {"name": "scripts", "configMap": {"name": settings["scripts_map"], "defaultMode": EXECUTABLE}},
        )
    return volumes + [{"name": entry["name"], "emptyDir": _empty_dir(entry)} for entry in settings["empty_dirs"]]


def _empty_dir(entry: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {"sizeLimit": entry.get("size_limit"), "medium": entry.get("medium")}
    return {key: value for key, value in chosen.items() if value}


def _mounts(settings: Mapping[str, Any]) -> Entries:
    mounts = [_mount("models", **entry) for entry in settings["claim_mounts"]] if settings["claim"] else []
    config = settings["config_path"].rstrip("/")
    if settings["config_single_files"]:
        mounts += [_mount("config", f"{config}/{name}", name, read_only=True) for name in settings["config_files"]]
    elif settings["config_files"]:
        mounts.append(_mount("config", config, read_only=True))
    if settings["scripts"]:
        mounts.append(_mount("scripts", settings["scripts_path"], read_only=True))
    return mounts + [_mount(entry["name"], entry["path"]) for entry in settings["empty_dirs"]]


def _mount(name: str, path: str, sub_path: str | None = None, *, read_only: bool = False) -> dict[str, Any]:
    mount: dict[str, Any] = {"name": name, "mountPath": path}
    if sub_path:
        mount["subPath"] = sub_path
    if read_only:
        mount["readOnly"] = True
    return mount


class FilterModule:
    """The filter of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter that Ansible may call."""
        return {"pod_parts": pod_parts}
