"""Bad input through the whole site: a host is a cluster, so one run tries many plans at once."""

from __future__ import annotations

import contextlib
import copy
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.clusters import wait_for
from tests.integration.plays import Run
from tests.integration.sites import (
    DEMO,
    EXPORTERS,
    PLAN,
    SITE,
    Bench,
    changed,
    empty,
    failure,
    missing,
    own,
    untouched,
    without,
)

__all__ = ["empty", "own", "untouched"]  # fixtures


def twice(name: str) -> dict[str, Any]:
    """Return the plan with a second gated tenant for the same target."""
    again = {**PLAN["tenants"][1], "name": name, "pods": "again-.+", "peak": "1Gi", "floor": "3Gi"}
    return changed("tenants", value=[*PLAN["tenants"], again])


# The variables of a host, and what the message must say: variable, value, remedy.
BAD_PLANS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "unknown_key": (changed("margn", value="2Gi"), ("vram_plan", "margn", "margin")),
    "unknown_tenant_key": (changed("tenants", 0, "peek", value="2Gi"), ("vram_plan.tenants[0]", "peek", "peak")),
    "decimal_unit": (changed("tenants", 0, "peak", value="6GB"), ("vram_plan.tenants[0].peak", "'6GB'", "6Gi")),
    "unit_with_space": (
        changed("tenants", 1, "floor", value="6 GiB"),
        ("vram_plan.tenants[1].floor", "'6 GiB'", "6Gi"),
    ),
    "negative_floor": (changed("tenants", 1, "floor", value="-1Gi"), ("vram_plan.tenants[1].floor", "'-1Gi'")),
    "unknown_card": (changed("tenants", 0, "card", value="l4"), ("vram_plan.tenants[0].card", "'l4'", "declared: t4")),
    "twins": (changed("tenants", 1, "name", value="stt"), ("vram_plan.tenants", "'stt'", "a name of its own")),
    "no_target": (without("tenants", 1, "target"), ("vram_plan.tenants[1].target", "kind: Deployment")),
    "too_large": (changed("tenants", 0, "peak", value="16Gi"), ("vram_plan.tenants[0].peak", "'16Gi'", "15.00 GiB")),
    "no_zone": (
        without("tenants", 1, "windows", 0, "timezone"),
        (".windows[0].timezone", "is missing", "Europe/London"),
    ),
    "unknown_zone": (
        changed("tenants", 1, "windows", 0, "timezone", value="Europe/Londn"),
        ("vram_plan.tenants[1].windows[0].timezone", "'Europe/Londn'", "IANA"),
    ),
    "impossible_time": (
        changed("tenants", 1, "windows", 0, "end", value="26:00"),
        ("vram_plan.tenants[1].windows[0].end", "'26:00'", "23:59"),
    ),
    "weekday": (
        changed("tenants", 1, "windows", 0, "days", value=["mon", "thirsday"]),
        ("vram_plan.tenants[1].windows[0].days[1]", "'thirsday'", "mon, tue"),
    ),
    "not_scalable": (
        changed("tenants", 1, "target", "kind", value="DaemonSet"),
        ("vram_plan.tenants[1].target.kind", "'DaemonSet'", "Deployment"),
    ),
    "one_target_twice": (twice("tts-again"), ("vram_plan.tenants", "'chatterbox-tts'", "give each its own")),
    "floor": (
        changed("tenants", 1, "floor", value="5Gi"),
        ("UNSAFE (floor_below_need)", "floor 5.00 GiB", "below the need of 6.00 GiB"),
    ),
    "tick": (changed("gate", value={"tick": "5h"}), ("vram_plan.gate.tick", "'5h'", "shortest window (4h)", "shorten")),
    "password": (
        changed("gate", value={"tenants": {"tts": {"demand": {"url": "http://me:secret@queue/", "path": "n"}}}}),
        ("One of the gate's addresses", "holds a user or a password", "offpeak_gate_prometheus_token_secret"),
    ),
    "no_windows": (without("tenants", 1, "windows"), ("vram_plan.tenants[1].windows", "is missing", "02:00")),
    "self_yield": (
        changed("profile", value="dcgm"),
        ("vram_plan.profile", "'dcgm'", "the use of tts", "gpu_pod_exporter"),
    ),
    "no_plan": ({}, ("vram_plan is not set", "declare the cards and their tenants")),
    "no_url": (changed("prometheus_url", value=""), ("vram_plan.prometheus_url", "http://")),
}
BAD_SETTINGS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "bare_model": ({"stt_speaches_model": "large-v3"}, ("stt_speaches_model", "'large-v3'", "owner/name")),
    "compute_type": ({"stt_speaches_compute_type": "int9"}, ("stt_speaches_compute_type", "int9", "int8")),
    "moving_tag": (
        {"tts_chatterbox_image_tag": "latest"},
        ("tts_chatterbox_image_tag", "'latest'", "tag of one build"),
    ),
    "unknown_model": ({"tts_chatterbox_model": "bark"}, ("tts_chatterbox_model", "bark", "chatterbox-multilingual")),
    "digest": ({"tts_chatterbox_image_digest": "sha256:1"}, ("tts_chatterbox_image_digest", "'sha256:1'", "skopeo")),
    "gate_digest": (
        {"offpeak_gate_image_digest_required": True},
        ("offpeak_gate_image_digest", "''", "docker.io/library/python", "skopeo"),
    ),
    "gate_source": ({"offpeak_gate_source": "exporters"}, ("offpeak_gate_source", "'exporters'", "_exporter_urls")),
    "gate_address": (
        {"offpeak_gate_source": "exporters", "offpeak_gate_exporter_urls": ["dcgm-exporter:9400/metrics"]},
        ("offpeak_gate_exporter_urls", "does not begin with http://", "http://host:port"),
    ),
    "gate_engine": ({"offpeak_gate_engine": "cron"}, ("offpeak_gate_engine", "cron", "reconciler")),
    "decimal_memory": (
        {"stt_speaches_resources": {"requests": {"memory": "2GB"}}},
        ("stt_speaches_resources.requests.memory", "'2GB'", "such as 2Gi"),
    ),
    "decimal_storage": (
        {"gpu_namespace_storage": {"kind": "storage_class", "size": "20GB"}},
        ("gpu_namespace_storage.size", "'20GB'", "such as 2Gi"),
    ),
    "claim": ({"tts_chatterbox_claim": "My_Models"}, ("tts_chatterbox_claim", "'My_Models'", "use a-z, 0-9")),
    "gate_memory": (
        {"offpeak_gate_resources": {"limits": {"memory": "128MB"}}},
        ("offpeak_gate_resources.limits.memory", "'128MB'", "such as 2Gi"),
    ),
    "other_target": ({"tts_chatterbox_name": "tts"}, ("tts_chatterbox_name", "'tts'", "the target of tenant tts")),
}


class Impostor(BaseHTTPRequestHandler):
    """What an address may lead to that is no Prometheus with GPU series; the first part of the path chooses."""

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "login":
            self.send_response(302)
            self.send_header("Location", "http://login.example.org/")
            self.end_headers()
            return
        if kind == "slow":
            time.sleep(3)
        status, content_type, body = {
            "alertmanager": (404, "text/plain", "404 page not found\n"),
            "html": (200, "text/html", "<!doctype html><title>Log in</title>"),
        }.get(kind, (200, "application/json", '{"status":"success","data":{"resultType":"vector","result":[]}}'))
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # who asked for `slow` has gone
            self.wfile.write(body.encode())

    do_POST = do_GET  # noqa: N815 - names of the base class

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def impostor() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def many(bench: Bench, folder: Path, hosts: Mapping[str, Mapping[str, Any]]) -> Run:
    """Run the site for several clusters that are all this one, each with its own variables."""
    common = {
        "ansible_connection": "local",
        "vram_prometheus_timeout": 2,
        "stt_speaches_image_digest_required": False,
        "stt_speaches_preload": "download",
        "tts_chatterbox_image": "registry.example.org/chatterbox",
        "tts_chatterbox_image_tag": "cu128-1",
        "tts_chatterbox_image_digest_required": False,
        "offpeak_gate_image_digest_required": False,
    }
    inventory = folder / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": dict(hosts), "vars": common}}), encoding="utf-8")
    return bench.run(SITE, "--forks", "4", inventory=inventory, variables={"voice_hosts": "all"})


def told(run: Run, cases: Mapping[str, tuple[Any, tuple[str, ...]]]) -> dict[str, list[str]]:
    """Return, by host, the words that its failure lacks."""
    lacks = {host: missing(words, failure(run, host)) for host, (_, words) in cases.items()}
    return {host: words for host, words in lacks.items() if words}


@pytest.mark.usefixtures("untouched")
def test_bad_input_is_refused_by_name_before_anything_is_touched(empty: Bench, tmp_path: Path) -> None:
    url = empty.local.prometheus_url
    hosts: dict[str, dict[str, Any]] = {}
    for name, (variables, _) in BAD_PLANS.items():
        hosts[name] = copy.deepcopy(variables)
        if variables:
            hosts[name]["vram_plan"].setdefault("prometheus_url", url)
    for name, (variables, _) in BAD_SETTINGS.items():
        hosts[name] = {**changed("prometheus_url", value=url), **variables}
    run = many(empty, tmp_path, hosts)
    assert run.rc == 2
    assert told(run, {**BAD_PLANS, **BAD_SETTINGS}) == {}


IMPOSTORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "html": ("html", ("blind", "prometheus_url", "text/html")),
    "login": ("login", ("blind", "prometheus_url", "login.example.org")),
    "alertmanager": ("alertmanager", ("blind", "prometheus_url", "404")),
    "slow": ("slow", ("blind", "prometheus_url", "2 s")),
    "nothing": ("nothing", ("blind", "not one GPU series")),
}


@pytest.mark.usefixtures("untouched")
def test_what_is_no_prometheus_is_blind_before_anything_is_touched(empty: Bench, tmp_path: Path, impostor: str) -> None:
    plans = {name: changed("prometheus_url", value=f"{impostor}/{kind}") for name, (kind, _) in IMPOSTORS.items()}
    run = many(empty, tmp_path, plans)
    assert run.rc == 2
    assert told(run, IMPOSTORS) == {}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("fault", "noticed"),
    [
        ("down", lambda bench: bench.samples("up == 0")),
        ("empty", lambda bench: not bench.samples("DCGM_FI_DEV_FB_USED")),
        ("nan", lambda bench: not bench.samples("DCGM_FI_DEV_FB_USED >= 0")),
    ],
)
def test_lying_exporter_is_blind_and_never_idle(empty: Bench, fault: str, noticed: Callable[[Bench], object]) -> None:
    for exporter in EXPORTERS:
        empty.control("fault", exporter=exporter, fault=fault)
    try:
        wait_for(lambda: noticed(empty), what=f"Prometheus to scrape the fault {fault}")
        said = failure(empty.play(SITE))
    finally:
        empty.control("reset")
        wait_for(lambda: empty.samples("DCGM_FI_DEV_FB_USED > 0"), what="an honest exporter")
    assert missing(("VRAM plan: UNSAFE (blind", "FAIL blind"), said) == []


@pytest.mark.usefixtures("untouched")
def test_two_exporters_that_contradict_each_other_are_blind(empty: Bench) -> None:
    empty.control("fault", exporter="dcgm", fault="frozen")
    empty.control("set", workload="frigate", idle="5Gi")
    try:
        held = 'sum(gpu_pod_memory_used_bytes{exported_namespace="frigate"}) > 4 * 2^30'
        wait_for(lambda: empty.samples(held), what="Prometheus to scrape what frigate holds now")
        said = failure(empty.play(SITE))
    finally:
        empty.control("reset")
        wait_for(lambda: not empty.samples(held), what="an honest exporter")
    assert missing(("FAIL blind", "card t4: its pods hold", "one of the two exporters is wrong or old"), said) == []


def test_inventory_without_its_cluster_says_how_to_start_it(own: Bench) -> None:
    said = failure(own.run(SITE, inventory=DEMO, environ={"PROMETHEUS_URL": ""}))
    assert missing(("prometheus_url",), said) == []
