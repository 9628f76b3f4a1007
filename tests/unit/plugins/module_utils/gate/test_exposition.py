"""The parser of exporters' pages, held against the official one: on pages of real exporters, and on whatever comes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.sharedgpu.voice.plugins.module_utils.gate.exposition import PageError, Series, parse_page

Known = tuple[str, frozenset[tuple[str, str]], str, float | None]

# Lines of real exporters' pages (dcgm-exporter 4.x, nvidia_gpu_exporter 1.5, the seeds' pod exporter, HAMi, nvitop).
DCGM = """\
# HELP DCGM_FI_DEV_FB_USED Framebuffer memory used (in MiB).
# TYPE DCGM_FI_DEV_FB_USED gauge
DCGM_FI_DEV_FB_USED{gpu="0",UUID="GPU-6d5c0ac5",modelName="Tesla T4",Hostname="gpu-1",namespace="",pod=""} 10521
DCGM_FI_DEV_FB_FREE{gpu="0"} 9223372036854775794
"""
NVIDIA_SMI = """\
nvidia_smi_gpu_info{driver_version="595.80",name="NVIDIA L40S",uuid="a1b2"} 1
nvidia_smi_memory_used_bytes{uuid="a1b2"} 1.294991360e+09
nvidia_smi_last_collect_success_timestamp_seconds 1.7e9
"""
CORPUS = (
    DCGM,
    NVIDIA_SMI,
    'gpu_pod_memory_used_bytes{namespace="tts",pod="chatterbox-1",process_name="a,b}c\\"d\\\\e\\nf",pid="7"} 42\n',
    'hami_host_gpu_memory_used_bytes{ node = "n" , device_uuid="u" , } 3 1700000000123\n',
    'a{x=""} NaN\nb{} +Inf\nc -Inf\nd\t1e-3\n',
    "\n\n  # a comment\n#\nbare 1\n",
    'unicode{name="Größe \U0001f600"} 1',
)

REFUSED = (
    "no_value\n",
    "a{x=1} 1\n",
    'a{x="1" 1\n',
    'a{x="1",x="2"} 1\n',
    "1a 1\n",
    "a one\n",
    "a 1 2 3\n",
    "a 1,5\n",
    "<html><body>login</body></html>\n",
    '{"status":"success"}\n',
    'a{x="unclosed} 1\n',
    "a 0x10\n",
    "a 1_000\n",
    'a{x="1"}{y="2"} 1\n',
    "a 1 1.5\n",
)


def ours(page: str) -> list[Known]:
    return [(name, frozenset(labels.items()), repr(value), taken) for name, labels, value, taken in parse_page(page)]


def official(page: str) -> Iterator[Known]:
    for family in text_string_to_metric_families(page):
        for one in family.samples:
            taken = None if one.timestamp is None else float(one.timestamp)
            yield one.name, frozenset(one.labels.items()), repr(float(one.value)), taken


def same(page: str) -> bool:
    # The official one groups by family and may name a counter anew: the series are compared as a set of lines.
    return sorted(ours(page), key=repr) == sorted(official(page), key=repr)


@pytest.mark.parametrize("page", CORPUS)
def test_reads_real_pages_as_the_official_parser_does(page: str) -> None:
    assert ours(page)
    assert same(page)


@pytest.mark.parametrize("page", REFUSED)
def test_one_bad_line_refuses_the_page(page: str) -> None:
    with pytest.raises(PageError, match="line 2"):
        list(parse_page(f"good 1\n{page}"))


def test_timestamps_are_seconds() -> None:
    assert list(parse_page("a 1 1700000000123")) == [Series("a", {}, 1.0, 1700000000.123)]


NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True).filter(lambda name: not name.startswith("__"))


@given(st.dictionaries(NAMES, st.text(st.characters(codec="utf-8")), max_size=3), st.floats())
@settings(max_examples=150)
def test_reads_what_the_official_library_writes(labels: dict[str, str], value: float) -> None:
    registry = CollectorRegistry()
    gauge = Gauge("used_bytes", "Held.", list(labels), registry=registry)
    (gauge.labels(**labels) if labels else gauge).set(value)
    (series,) = list(parse_page(generate_latest(registry).decode()))
    assert series.labels == labels
    assert series.value == value or math.isnan(value)


PIECES = st.sampled_from(
    [*'abzAZ_:09 \t\n{}",=\\#+-.eE', "nan", "Inf", 'a{x="1"} 1\n', '="', '"} ', "\\n", "\r", " ", "é", "1700000000123"]
)


@given(st.lists(PIECES, max_size=25).map("".join))
@example('a{x="\\')
@example("a 1\r")
@settings(max_examples=400)
def test_never_accepts_what_the_official_parser_reads_otherwise(page: str) -> None:
    try:
        mine = ours(page)
    except PageError:
        return
    assert not mine or same(page)
