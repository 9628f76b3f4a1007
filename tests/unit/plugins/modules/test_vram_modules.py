# Copyright: (c) 2026, the sharedgpu.voice authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""vram_floor and vram_info through main(): verdict, evidence, refusals, and nothing secret in what comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.sharedgpu.voice.plugins.module_utils.adapters.spec import argument_spec
from ansible_collections.sharedgpu.voice.plugins.module_utils.core import plan as core_plan
from ansible_collections.sharedgpu.voice.plugins.module_utils.core import windows as core_windows
from ansible_collections.sharedgpu.voice.plugins.module_utils.core.findings import CHECKS
from ansible_collections.sharedgpu.voice.plugins.modules import vram_floor, vram_info
from tests.plans import WINDOW
from tests.unit.plugins.adapters.fault_server import FaultServer, once, reply
from tests.unit.plugins.modules.played import T4, PlayedPrometheus
from tests.unit.plugins.modules.running import TENANTS, Run, options

MEASURED = {"msg", "cards", "residents", "floors", "worst_case_bytes", "headroom_bytes", "history"}
KEYS = {vram_floor.main: MEASURED | {"safe", "checks"}, vram_info.main: MEASURED}
BOTH = pytest.mark.parametrize("main", [vram_floor.main, vram_info.main], ids=["vram_floor", "vram_info"])
GIB = 1 << 30


def evidence(found: dict[str, Any]) -> set[str]:
    return set(found) - {"changed", "failed", "invocation", "warnings", "exception"}


def check_named(found: dict[str, Any], name: str) -> dict[str, Any]:
    (check,) = (check for check in found["checks"] if check["name"] == name)
    return dict(check)


# --- the verdict ---


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_a_plan_that_fits_is_safe(run: Run, *, check: bool) -> None:
    with PlayedPrometheus(T4()) as prometheus:
        found = run(vram_floor.main, options(prometheus.url), check=check)
    assert (found["safe"], found["changed"], found.get("failed")) == (True, False, None)
    assert evidence(found) == KEYS[vram_floor.main]
    assert found["msg"].startswith("VRAM plan: safe\n")
    assert [check["name"] for check in found["checks"]] == list(CHECKS)
    (card,) = found["cards"]
    assert (card["name"], card["node"], card["model"], card["profile"]) == ("t4", "gpu-1", "Tesla T4", "dcgm")
    assert card["total_bytes"] == 15360 << 20
    assert card["reserved_bytes"] == 450 << 20
    assert found["residents"][0]["tenant"] == "stt"
    assert found["floors"]["tts"]["configured_bytes"] == 6 * GIB
    assert len(prometheus.requests) == 3


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_a_floor_that_is_too_low_fails_with_the_same_evidence(run: Run, *, check: bool) -> None:
    tenants = [TENANTS[0], {**TENANTS[1], "floor": "4Gi"}]
    with PlayedPrometheus(T4()) as prometheus:
        found = run(vram_floor.main, options(prometheus.url, tenants=tenants), check=check)
    assert (found["failed"], found["safe"]) == (True, False)
    assert evidence(found) == KEYS[vram_floor.main]
    assert found["msg"].startswith("VRAM plan: UNSAFE (floor_below_need)\n")
    assert check_named(found, "floor_below_need")["numbers"]["needed_bytes"] == 6 * GIB
    assert found["floors"]["tts"]["recommended_bytes"] == 6 * GIB


def test_an_undeclared_resident_warns_unless_it_shall_fail_or_be_off(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: warnings.append(text))
    card = T4(pods={("portal-stt", "speaches-1"): 1434, ("games", "miner-1"): 900})
    with PlayedPrometheus(card) as prometheus:
        # YAML reads a bare `off` as false.
        silent = run(vram_floor.main, options(prometheus.url, checks={"undeclared_resident": False}))
        failed = run(vram_floor.main, options(prometheus.url, checks={"undeclared_resident": "fail"}))
        assert warnings == []
        warned = run(vram_floor.main, options(prometheus.url))
    assert warned["safe"]
    assert warnings[0].startswith("undeclared_resident: games/miner-1 holds 900 MiB")
    assert (failed["failed"], failed["safe"]) == (True, False)
    assert check_named(silent, "undeclared_resident")["level"] == "off"


def test_info_measures_and_never_judges(run: Run) -> None:
    with PlayedPrometheus(T4(pods={("games", "miner-1"): 14000})) as prometheus:
        found = run(vram_info.main, options(prometheus.url))
    assert "failed" not in found
    assert evidence(found) == KEYS[vram_info.main]
    assert found["residents"] == [
        {
            "card": "t4",
            "tenant": None,
            "namespace": "games",
            "pod": "miner-1",
            "used_bytes": 14000 << 20,
            "peak_bytes": 14000 << 20,
        }
    ]


def test_info_needs_no_plan(run: Run) -> None:
    with PlayedPrometheus(T4()) as prometheus:
        found = run(vram_info.main, {"prometheus_url": prometheus.url})
    assert [card["total_bytes"] for card in found["cards"]] == [15360 << 20]


# --- blind ---


@BOTH
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply("<html>Log in", media="text/html"), "not_prometheus"),
        (reply("", 302, location="https://login.example/"), "redirect"),
        (reply("404 page not found", 404, "text/plain"), "not_found"),
    ],
)
def test_without_a_reading_both_fail_with_the_same_keys(
    run: Run, main: Callable[[], None], answer: bytes, reason: str
) -> None:
    with FaultServer(once(answer)) as server:
        found = run(main, options(server.url))
    assert found["failed"]
    assert evidence(found) == KEYS[main]
    assert found["cards"] == []
    assert f"prometheus_url {server.url}: " in found["msg"]
    if main is vram_floor.main:
        assert not found["safe"]
        assert check_named(found, "blind")["numbers"]["reason"] == reason


@BOTH
def test_stale_samples_are_no_reading(run: Run, main: Callable[[], None]) -> None:
    with PlayedPrometheus(T4(age=300)) as prometheus:
        assert "max_age is 2m" in run(main, options(prometheus.url))["msg"]
        assert "failed" not in run(main, options(prometheus.url, max_age="10m"))


# --- refusals ---

BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"prometheus_url": "prometheus:9090"}, "prometheus_url: 'prometheus:9090' is no address of a Prometheus"),
    ({"prometheus_url": "ftp://prometheus"}, "prometheus_url: 'ftp://prometheus' is no address"),
    ({"prometheus_url": "http://"}, "prometheus_url: 'http://' is no address"),
    ({"prometheus_url": "http://a b"}, "prometheus_url: 'http://a b' is no address"),
    ({"prometheus_url": "http://[::1"}, "prometheus_url: 'http://[::1' is no address"),
    ({"prometheus_url": "http://h:99999"}, "prometheus_url: 'http://h:99999' is no address"),
    ({"prometheus_url": "http://h/graph?g0=up"}, "prometheus_url: 'http://h/graph?g0=up' ends in a query"),
    ({"timeout": 0}, "timeout: 0 is no time to wait; write seconds, above 0"),
    ({"timeout": 999999}, "timeout: 999999 is no time to wait"),
    ({"timeout": "soon"}, "timeout"),
    ({"bearer_token": "two words"}, "bearer_token: '********' holds characters that no token has"),
    ({"headers": {"X": "a\r\nEvil: b"}}, "headers.X: '********' is no header value"),
    ({"headers": {"X Y": "some value"}}, "headers: 'X Y' is no header name"),
    ({"headers": {"X": True}}, "headers.X: '********' is no header value"),
    ({"ca_path": "/nowhere/ca.pem"}, "ca_path: '/nowhere/ca.pem' does not exist"),
    ({"client_cert": "/nowhere/c.pem"}, "client_cert: '/nowhere/c.pem' does not exist"),
    ({"client_key": "/nowhere/k.pem"}, "missing parameter(s) required by 'client_key': client_cert"),
    ({"url_password": "p4ss"}, "missing parameter(s) required by 'url_password': url_username"),
    ({"bearer_token": "t0k", "url_username": "me"}, "parameters are mutually exclusive: bearer_token|url_username"),
    ({"margin": "2GB"}, "margin: '2GB' is not a size; write a Kubernetes quantity"),
    ({"margin": "-2Gi"}, "margin: '-2Gi' is below zero"),
    ({"lookback": "7"}, "lookback: '7' is not a duration; write a number with a unit"),
    ({"max_age": "2 minutes"}, "max_age: '2 minutes' is not a duration"),
    ({"max_age": "0s"}, "max_age: '0s' lets no sample count"),
    ({"profile": "dcmg"}, "value of profile must be one of: auto, dcgm"),
    ({"checks": {"blnd": "warn"}}, "checks.blnd"),
    ({"checks": {"blind": "ignore"}}, "value of blind must be one of: fail, warn, off, got: ignore"),
    ({"cards": [{"name": "t4", "total": "15GB"}]}, "cards[0].total: '15GB' is not a size"),
    ({"cards": [{"name": "t4", "memory": "15Gi"}]}, "cards.memory"),
    ({"cards": [{"name": "t4"}, {"name": "t4"}]}, "cards: 't4' is declared twice"),
    ({"cards": [{"name": "l4"}]}, "tenants[0].card: 't4' is not declared under cards; declared: l4"),
    ({"tenants": [{**TENANTS[0], "peak": "6 GiB"}]}, "tenants[0].peak: '6 GiB' is not a size"),
    ({"tenants": [{**TENANTS[0], "peak": "16Gi"}]}, "tenants[0].peak: '16Gi' is more than all of card t4"),
    ({"tenants": [{**TENANTS[0], "flor": "6Gi"}]}, "tenants.flor"),
    ({"tenants": [TENANTS[0], TENANTS[0]]}, "tenants: 'stt' is declared twice"),
    ({"tenants": [TENANTS[0], {**TENANTS[1], "floor": -1}]}, "tenants[1].floor: -1 is below zero"),
    ({"tenants": [{**TENANTS[1], "target": None}]}, "tenants[0].target is missing; a gated tenant needs"),
    ({"tenants": [{**TENANTS[1], "windows": [{**WINDOW, "timezone": "Mars/X"}]}]}, "tenants[0].windows[0].timezone"),
    ({"tenants": [{**TENANTS[1], "mode": "sometimes"}]}, "value of mode must be one of: warm, on_demand, gated"),
    ({"prometheus_ulr": "x"}, "prometheus_ulr"),
]


@pytest.mark.parametrize(("change", "message"), BAD_INPUT)
def test_bad_input_is_named_and_nothing_is_asked(run: Run, change: dict[str, Any], message: str) -> None:
    with FaultServer(once(reply())) as server:
        found = run(vram_floor.main, {**options(server.url), **change})
    assert found["failed"]
    assert message in found["msg"]
    assert evidence(found) == KEYS[vram_floor.main]
    assert server.connections == 0


@BOTH
def test_bad_input_comes_back_with_the_same_keys(run: Run, main: Callable[[], None]) -> None:
    found = run(main, options("http://prometheus.example", margin="2GB"))
    assert evidence(found) == KEYS[main]


@BOTH
def test_a_missing_library_is_named_with_the_interpreter(main: Callable[[], None]) -> None:
    program = f"""
import sys
sys.modules["requests"] = None
from ansible.module_utils.testing import patch_module_args
from {main.__module__} import main
with patch_module_args({{"prometheus_url": "http://prometheus.example"}}):
    main()
"""
    path = {"PYTHONPATH": str(Path(__file__).parents[4] / ".collections")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=path, check=False)
    found = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert "Failed to import the required Python library (requests)" in found["msg"]
    assert sys.executable in found["msg"]
    assert evidence(found) == KEYS[main]


# --- secrets ---

SECRET = "s3cr3t/t0k+en"
SECRETS: list[dict[str, Any]] = [
    {"bearer_token": SECRET},
    {"url_username": "me", "url_password": SECRET},
    {"headers": {"X-Api-Key": SECRET}},
    {"headers": {"Authorization": f"Custom {SECRET}"}},
]


@BOTH
@pytest.mark.parametrize("params", SECRETS)
@pytest.mark.parametrize("works", [True, False])
def test_no_secret_comes_back_or_is_logged(
    run: Run, main: Callable[[], None], params: dict[str, Any], monkeypatch: pytest.MonkeyPatch, *, works: bool
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, msg, **more: logged.append(f"{msg} {more}"))
    card = T4(labels={"Hostname": f"gpu-{SECRET}"})
    with PlayedPrometheus(card) as prometheus, FaultServer(once(reply(SECRET, 500, "text/plain"))) as broken:
        found = run(main, {**options(prometheus.url if works else broken.url), **params, "cards": []})
    text = json.dumps(found) + "".join(logged)
    assert "prometheus_url" in "".join(logged)
    assert "s3cr3t" not in text
    assert found.get("failed", False) is not works


@pytest.mark.parametrize("timeout", [10, 0], ids=["good", "bad input"])
def test_a_password_in_the_url_is_used_and_not_shown(run: Run, timeout: int) -> None:
    with PlayedPrometheus(T4()) as prometheus:
        url = prometheus.url.replace("//", "//me:pass%2Fword@")
        found = run(vram_floor.main, options(url, timeout=timeout))
    assert found["safe"] is (timeout == 10)
    assert found["invocation"]["module_args"]["prometheus_url"] == prometheus.url
    assert "pass" not in json.dumps(found["invocation"]["module_args"]["prometheus_url"])
    assert all(request.headers["authorization"] == "Basic bWU6cGFzcy93b3Jk" for request in prometheus.requests)


@pytest.mark.parametrize(
    "url",
    [
        "me:p4ss@prometheus:9090",
        "http://me:p4ss@",
        "http://me:p4ss/w@rd@host:x",
        "http://me:p4ss@host/?a=b",
        "//me:p4ss@h",
    ],
)
def test_a_password_in_a_url_that_is_none_is_not_shown(run: Run, url: str) -> None:
    found = run(vram_floor.main, options(url))
    assert "prometheus_url: '" in found["msg"]
    assert "p4ss" not in json.dumps(found)
    assert "rd@" not in json.dumps(found)


@pytest.mark.parametrize(
    "wrong", [{"checks": {"foo": "fail"}}, {"profile": "bogus"}, {"timeout": "abc"}, {"nobody": "knows"}]
)
@BOTH
def test_a_password_in_the_url_is_not_shown_when_another_option_is_refused(
    run: Run, main: Callable[[], None], wrong: dict[str, Any]
) -> None:
    found = run(main, {**options("http://me:p4ssword@prometheus:9090", headers={"X-Key": "s3cr3t"}), **wrong})
    assert found["failed"]
    assert found["invocation"]["module_args"]["prometheus_url"] == "http://prometheus:9090"
    assert "p4ssword" not in json.dumps(found)
    assert "s3cr3t" not in json.dumps(found)


@pytest.mark.parametrize(
    "params",
    [
        {"headers": {"X-Scope-OrgID": 1}},
        {"headers": {"X-Grafana-Org-Id": "1"}},
        {"headers": {"AccountID": "0", "X-Unheard-Of": "15"}},
        {"url_username": "me", "url_password": "4"},
        {"bearer_token": "161061"},
    ],
)
def test_what_could_be_part_of_a_size_blackens_no_numbers(run: Run, params: dict[str, Any]) -> None:
    with PlayedPrometheus(T4()) as prometheus:
        found = run(vram_floor.main, options(prometheus.url, **params))
    assert (found["cards"][0]["total_bytes"], found["cards"][0]["name"]) == (15360 << 20, "t4")
    assert "total 15.00 GiB" in found["msg"]
    shown = found["invocation"]["module_args"]
    assert [name for name in ("bearer_token", "url_password") if params.get(name) and shown[name] != "********"] == []
    assert set((shown["headers"] or {}).values()) <= {"********"}


def test_a_problem_names_the_option_that_is_to_blame(run: Run) -> None:
    with PlayedPrometheus(T4(age=300)) as prometheus:
        found = run(vram_floor.main, options(prometheus.url))
    assert f"prometheus_url {prometheus.url}: " in check_named(found, "blind")["msg"]


# --- documentation ---


def test_every_key_of_the_plan_is_an_option() -> None:
    spec = argument_spec(checks=True)
    tenant = spec["tenants"]["options"]
    assert set(spec["cards"]["options"]) == set(core_plan.CARD_KEYS)
    assert set(tenant) == set(core_plan.TENANT_KEYS)
    assert set(tenant["windows"]["options"]) == set(core_windows.WINDOW_KEYS)
    assert set(core_plan.PLAN_KEYS) <= set(spec)


@pytest.mark.parametrize("module", [vram_floor, vram_info], ids=["vram_floor", "vram_info"])
def test_what_comes_back_is_documented(run: Run, module: Any) -> None:
    with PlayedPrometheus(T4()) as prometheus:
        found = run(module.main, options(prometheus.url))
    documented = yaml.safe_load(module.RETURN)
    assert evidence(found) == set(documented)
    assert set(found["cards"][0]) == set(documented["cards"]["contains"])
    assert set(found["residents"][0]) == set(documented["residents"]["sample"][0])
    assert set(found["floors"]["tts"]) == set(documented["floors"]["sample"]["tts"])
    assert set(found["history"]) == set(documented["history"]["sample"])
    if "checks" in documented:
        assert set(found["checks"][0]) == set(documented["checks"]["contains"])


@pytest.mark.parametrize("module", [vram_floor, vram_info], ids=["vram_floor", "vram_info"])
def test_the_examples_use_known_options(module: Any) -> None:
    name = f"sharedgpu.voice.{module.__name__.rpartition('.')[2]}"
    tasks = [task for task in yaml.safe_load(module.EXAMPLES) if name in task]
    assert tasks
    for task in tasks:
        assert set(task[name]) <= set(argument_spec(checks=module is vram_floor))
        assert task["register"] in module.EXAMPLES.replace(f"register: {task['register']}", "")
