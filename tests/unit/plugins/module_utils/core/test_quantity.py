"""Sizes and durations: what is accepted, what is refused, and that nothing is lost on the way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity

from ansible_collections.sharedgpu.voice.plugins.module_utils.core.errors import InputError, one_line, shown
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.quantity import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    round_up,
    to_quantity,
)


class Tagged(str):
    """As ansible-core's tagged values: a subclass of the plain type."""

    __slots__ = ()


class TaggedInt(int):
    __slots__ = ()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("6Gi", 6 << 30),
        ("1536Mi", 1536 << 20),
        ("1.5Gi", 1536 << 20),
        (".5Gi", 512 << 20),
        ("5.Mi", 5 << 20),
        ("+5Mi", 5 << 20),
        ("5k", 5000),
        ("5M", 5_000_000),
        ("6G", 6_000_000_000),
        ("1E", 10**18),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1.5e9", 1_500_000_000),
        ("2000e-3", 2),
        ("1500m", 2),
        ("1m", 1),
        ("0", 0),
        ("-0", 0),
        ("0.0000000001Gi", 1),
        ("7Ei", 7 << 60),
        (0, 0),
        (16106127360, 15 << 30),
        (2**63 - 1, 2**63 - 1),
        (Tagged("6Gi"), 6 << 30),
        (TaggedInt(5), 5),
    ],
)
def test_size_is_read_as_kubernetes_reads_it(text: Any, size: int) -> None:
    found = parse_size(text, "x")
    assert found == size
    assert type(found) is int


@pytest.mark.parametrize(
    "value",
    [
        "6GB",
        "6 GiB",
        "6GiB",
        "6gi",
        "6K",
        "6KI",
        "6ki",
        "",
        " ",
        "Gi",
        ".",
        "-",
        "+",
        "6Gi ",
        " 6Gi",
        "6Gi\n",
        "1,5Gi",
        "1_000",
        "0x10",
        "1e",
        "1e+",
        "1ee3",
        "1e3Mi",
        "1e1000",
        "1.2.3",
        "NaN",
        "inf",
        "Infinity",
        "\u0666Gi",
        "\uff16Gi",
        "6\uff27i",
        "--6",
        "6%",
        "9" * 65,
        True,
        False,
        1.5,
        6.0,
        None,
        [],
        {},
        b"6Gi",
        Decimal(5),
    ],
)
def test_what_is_no_size_is_refused_with_place_value_and_remedy(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        parse_size(value, "vram_plan.tenants[2].peak")
    error = caught.value
    assert error.where == "vram_plan.tenants[2].peak"
    assert str(error).startswith("vram_plan.tenants[2].peak")
    assert "6Gi, 1536Mi" in str(error)
    assert value is None or shown(value) in str(error)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (-1, "below zero"),
        ("-1Gi", "below zero"),
        ("-1m", "below zero"),
        (2**63, "larger than"),
        ("8Ei", "larger than"),
        ("1e999", "larger than"),
        pytest.param(10**5000, "larger than", id="5001 digits"),
    ],
)
def test_sizes_out_of_range_are_refused(value: Any, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        parse_size(value, "margin")
    assert len(str(caught.value)) < 400


NUMBERS = st.from_regex(r"\A[0-9]{1,6}(\.[0-9]{1,4})?\Z")
SUFFIXES = st.sampled_from(["", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "e3", "E6", "e-2", "e+2"])


@given(NUMBERS, SUFFIXES)
def test_size_is_what_the_kubernetes_client_says_rounded_up(number: str, suffix: str) -> None:
    exact = parse_quantity(number + suffix)
    assert parse_size(number + suffix, "x") == int(exact.to_integral_value(rounding="ROUND_CEILING"))


@given(st.integers(0, 2**63 - 1))
def test_size_survives_the_way_to_a_quantity_and_back(size: int) -> None:
    assert parse_size(to_quantity(size), "x") == size
    assert parse_size(size, "x") == size
    assert parse_size(str(size), "x") == size


@given(st.integers(0, 10**6), st.integers(0, 10**6), SUFFIXES)
def test_size_grows_with_its_number(one: int, other: int, suffix: str) -> None:
    low, high = sorted((one, other))
    assert parse_size(f"{low}{suffix}", "x") <= parse_size(f"{high}{suffix}", "x")


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_a_clear_error(text: str) -> None:
    try:
        size = parse_size(text, "x")
    except InputError as error:
        said = str(error)
    else:
        assert size >= 0
        assert text.isascii()
        return
    assert said.startswith("x: ")


@given(st.integers(0, 2**50), st.sampled_from([1 << 20, 128 << 20]))
def test_rounding_up_is_the_least_multiple_that_is_enough(size: int, step: int) -> None:
    rounded = round_up(size, step)
    assert rounded % step == 0
    assert 0 <= rounded - size < step


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (12, "12 B"),
        (150 << 20, "150 MiB"),
        (1536 << 20, "1.50 GiB"),
        (-(3 << 30), "-3.00 GiB"),
        (-(5 << 20), "-5 MiB"),
        (15360 << 20, "15.00 GiB"),
    ],
)
def test_size_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("7d", 604800),
        ("1w", 604800),
        ("1w2d3h4m5s", 788645),
        ("0s", 0),
        (Tagged("2m"), 120),
    ],
)
def test_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text, "x") == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        "5",
        "m",
        "5 m",
        "5min",
        "5M",
        "-5m",
        "1.5h",
        "30m1h",
        "5m5m",
        "\u0665m",
        "5m\n",
        "1y",
        "5ms",
        300,
        5.0,
        True,
        None,
        [],
        "9" * 64 + "d",
    ],
)
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="is not a duration; write a number with a unit"):
        parse_duration(value, "lookback")


@given(st.integers(0, 10**7))
def test_duration_is_shown_to_within_its_second_unit(seconds: int) -> None:
    shown_as = parse_duration(format_duration(seconds), "x")
    assert 0 <= seconds - shown_as <= max(0, seconds // 24)


@given(st.text(max_size=300), st.integers(2, 80))
def test_what_others_wrote_stays_in_one_short_line(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert line.isprintable()


def test_a_control_sequence_does_not_reach_the_terminal() -> None:
    assert one_line("a\x1b[2Jb\r\nc\u202ed") == "a?[2Jb??c?d"
