# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sizes: Kubernetes quantities and integers in bytes, to each other and for people."""

from __future__ import annotations

from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.quantity import format_size, parse_size, to_quantity


def size_to_bytes(value: object) -> int:
    """Return a quantity such as ``6Gi``, or an integer in bytes, as an integer in bytes."""
    try:
        return parse_size(value, "sharedgpu.voice.size_to_bytes")
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


def bytes_to_quantity(value: object) -> str:
    """Return an integer in bytes as the shortest exact Kubernetes quantity."""
    return to_quantity(_whole_bytes(value, "sharedgpu.voice.bytes_to_quantity"))


def human_size(value: object) -> str:
    """Return an integer in bytes for people: ``1.46 GiB``."""
    return format_size(_whole_bytes(value, "sharedgpu.voice.human_size"))


def _whole_bytes(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise AnsibleFilterError(
            f"{where}: {value!r} is no integer in bytes; use sharedgpu.voice.size_to_bytes on a quantity first"
        )
    try:
        return parse_size(value, where)
    except InputError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """The filters of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters that Ansible may call."""
        return {
            "size_to_bytes": size_to_bytes,
            "bytes_to_quantity": bytes_to_quantity,
            "human_size": human_size,
        }
