# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quantities of resources and storage, checked before anything is made: the API server only quotes its expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Callable

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.quantity import parse_size

REMEDY = "write a number with Ki, Mi, Gi, k, M, G or m behind it, such as 2Gi or 500m, or a number alone"


def wrong_quantities(value: object, where: str) -> list[str]:
    """Return a sentence for each value below ``value``, which is called ``where``, that is no Kubernetes quantity."""
    return list(_problems(value, where))


def _problems(value: object, where: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _problems(item, f"{where}.{key}")
        return
    try:
        # A fraction of a CPU is no size, but is written as one.
        parse_size(str(value) if isinstance(value, float) else value, where)
    except InputError:
        yield f"{where}: {value!r} is no Kubernetes quantity; {REMEDY}."


class FilterModule:
    """The filter of this file by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter that Ansible may call."""
        return {"wrong_quantities": wrong_quantities}
