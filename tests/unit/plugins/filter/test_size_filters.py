# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The size filters: values, refusals that name the filter, and the way there and back."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.sharedgpu.voice.plugins.filter.size import FilterModule

FILTERS = FilterModule().filters()

GOOD: list[tuple[str, Any, Any]] = [
    ("size_to_bytes", "6Gi", 6 << 30),
    ("size_to_bytes", "1.5Gi", 3 << 29),
    ("size_to_bytes", 4096, 4096),
    ("bytes_to_quantity", 6 << 30, "6Gi"),
    ("bytes_to_quantity", 1536 << 20, "1536Mi"),
    ("bytes_to_quantity", 1000, "1000"),
    ("bytes_to_quantity", 0, "0"),
    ("human_size", 6 << 30, "6.00 GiB"),
    ("human_size", 150 << 20, "150 MiB"),
]

BAD: list[tuple[str, Any, str]] = [
    ("size_to_bytes", "6GB", "sharedgpu.voice.size_to_bytes: '6GB' is not a size"),
    ("size_to_bytes", "6 GiB", "sharedgpu.voice.size_to_bytes: '6 GiB' is not a size"),
    ("size_to_bytes", -1, "sharedgpu.voice.size_to_bytes: -1 is below zero"),
    ("size_to_bytes", None, "sharedgpu.voice.size_to_bytes is not a size"),
    ("size_to_bytes", True, "sharedgpu.voice.size_to_bytes: True is not a size"),
    ("bytes_to_quantity", "6Gi", "sharedgpu.voice.bytes_to_quantity: '6Gi' is no integer"),
    ("bytes_to_quantity", -1, "sharedgpu.voice.bytes_to_quantity: -1 is below zero"),
    ("bytes_to_quantity", 1.5, "sharedgpu.voice.bytes_to_quantity: 1.5 is no integer"),
    ("human_size", True, "sharedgpu.voice.human_size: True is no integer"),
    ("human_size", None, "sharedgpu.voice.human_size: None is no integer"),
]


@pytest.mark.parametrize(("name", "value", "expected"), GOOD)
def test_value(name: str, value: object, expected: object) -> None:
    assert FILTERS[name](value) == expected


@pytest.mark.parametrize(("name", "value", "message"), BAD)
def test_refusal_names_the_filter_and_the_value(name: str, value: object, message: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        FILTERS[name](value)
    assert str(caught.value).startswith(message)


@given(st.integers(min_value=0, max_value=1 << 50))
def test_a_quantity_means_the_same_bytes(size: int) -> None:
    assert FILTERS["size_to_bytes"](FILTERS["bytes_to_quantity"](size)) == size
