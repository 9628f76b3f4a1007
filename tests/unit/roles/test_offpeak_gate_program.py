"""What the role of the gate deploys: the very files that are tested here, complete on a bare Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.sharedgpu.voice.plugins.filter.gate_program import (
    gate_bundle,
    gate_dropped,
    gate_policy,
    gated_targets,
)
from dev.setup.common import ROOT

MODULE_UTILS = ROOT / "plugins" / "module_utils"
CONFIG_MAP_MAX = 1 << 20  # https://kubernetes.io/docs/concepts/configuration/configmap/#motivation


def unpacked(folder: Path) -> list[str]:
    """Write the program as a pod's volume shows it and return its paths."""
    bundle = gate_bundle("voice")
    for item in bundle["items"]:
        path = folder / item["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(bundle["files"][item["key"]], encoding="utf-8")
    return [item["path"] for item in bundle["items"]]


def test_what_is_deployed_is_what_is_tested_byte_for_byte(tmp_path: Path) -> None:
    paths = unpacked(tmp_path)
    for path in paths:
        assert (tmp_path / path).read_bytes() == (MODULE_UTILS / path.removeprefix("voice/")).read_bytes()
    for folder in ("core", "gate"):
        expected = {f"voice/{folder}/{path.name}" for path in (MODULE_UTILS / folder).glob("*.py")}
        assert expected <= set(paths)


def test_every_module_loads_on_a_bare_python(tmp_path: Path) -> None:
    names = [path.removesuffix(".py").replace("/", ".") for path in unpacked(tmp_path)]
    names = [name for name in names if not name.endswith(("__init__", "__main__"))]
    code = f"import importlib, sys; sys.path.insert(0, '.'); [importlib.import_module(n) for n in {names!r}]"
    command = [sys.executable, "-I", "-S", "-B", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_starts_as_the_pod_starts_it(tmp_path: Path) -> None:
    unpacked(tmp_path)
    command = [sys.executable, "-B", "-S", "-m", "voice.gate", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--dry-run" in done.stdout


def test_it_fits_into_a_config_map() -> None:
    assert sum(len(text.encode()) for text in gate_bundle("voice")["files"].values()) < CONFIG_MAP_MAX / 2


def test_other_code_is_another_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = gate_bundle("voice")["sha256"]
    assert gate_bundle("voice")["sha256"] == before
    assert gate_bundle("other")["sha256"] != before
    for name in ("core", "gate", "adapters"):
        (tmp_path / name).mkdir()
        for path in (MODULE_UTILS / name).glob("*.py"):
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("ansible_collections.sharedgpu.voice.plugins.filter.gate_program.MODULE_UTILS", tmp_path)
    assert gate_bundle("voice")["sha256"] == before
    with (tmp_path / "core" / "gate.py").open("a") as changed:
        changed.write("# new\n")
    assert gate_bundle("voice")["sha256"] != before


@pytest.mark.parametrize("name", ["", "a-b", "../x", 7])
def test_a_package_needs_a_name(name: object) -> None:
    with pytest.raises(AnsibleFilterError, match="is no name of a Python package"):
        gate_bundle(name)


def plan(*windows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    target = {"kind": "Deployment", "name": "chatterbox"}
    tenant = {"name": "tts", "mode": "gated", "peak": "4Gi", "floor": "6Gi", "namespace": "tts", "target": target}
    return {"margin": "2Gi", "tenants": [{**tenant, "windows": list(windows), **changes}]}


def window(start: str, end: str, *days: str, timezone: str = "Europe/London") -> dict[str, Any]:
    return {"start": start, "end": end, "timezone": timezone, **({"days": list(days)} if days else {})}


SCHEDULES = [
    (window("02:00", "06:00"), "0 2 * * *", "0 6 * * *"),
    (window("22:30", "05:15"), "30 22 * * *", "15 5 * * *"),
    (window("22:30", "05:15", "fri", "sun"), "30 22 * * 0,5", "15 5 * * 1,6"),
    (window("00:00", "24:00", "sat"), "0 0 * * 6", "0 0 * * 0"),
    (window("01:05", "02:10", "mon", "tue"), "5 1 * * 1,2", "10 2 * * 1,2"),
]


@pytest.mark.parametrize(("entry", "start", "end"), SCHEDULES)
def test_windows_as_schedules(entry: dict[str, Any], start: str, end: str) -> None:
    found = gate_policy(plan(entry))
    assert found["starts"] == [{"schedule": start, "timezone": "Europe/London"}]
    assert found["ends"] == [{"schedule": end, "timezone": "Europe/London"}]


def test_windows_that_end_together_need_one_job() -> None:
    found = gate_policy(
        plan(window("02:00", "06:00"), window("04:00", "06:00"), window("02:00", "06:00", timezone="UTC"))
    )
    assert [entry["timezone"] for entry in found["ends"]] == ["Europe/London", "UTC"]


REFUSED = [
    (plan(window("06:00", "06:00")), "end"),
    (plan({"start": "02:00", "end": "06:00"}), "timezone"),
    (plan(window("02:00", "06:00", timezone="Mars/Base")), "Mars/Base"),
    (plan(window("02:00", "25:00")), "25:00"),
    (plan(window("02:00", "06:00", "thirsday")), "thirsday"),
    (plan(window("02:00", "06:00"), floor="5Gi"), "floor"),
    (plan(), "windows"),
]


@pytest.mark.parametrize(("value", "named"), REFUSED)
def test_what_the_gate_would_refuse_is_refused_in_the_play(value: dict[str, Any], named: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"vram_plan.*{named}"):
        gate_policy(value)


def test_who_is_asked_for_demand() -> None:
    asked = plan(window("02:00", "06:00"))
    asked["tenants"].append({**STT, "windows": [window("02:00", "06:00")]})
    by_url = {"demand": {"url": "http://tts.tts.svc:8080/queue", "path": "waiting"}}
    asked["gate"] = {"tenants": {"tts": by_url, "stt": {"demand": {"promql": "sum(waiting)"}}}}
    found = gate_policy(asked)
    assert found["demand_urls"] == ["http://tts.tts.svc:8080/queue"]
    assert found["demand_by_promql"] == ["stt"]


def state_of(value: object) -> dict[str, str]:
    return {"policy": json.dumps(value), "state": "{}"}


NIGHT = plan(window("02:00", "06:00"))
OTHER_TARGET = {"kind": "Deployment", "name": "other"}
WARM = {"name": "tts", "mode": "warm", "peak": "4Gi", "namespace": "tts"}
STT = {**NIGHT["tenants"][0], "name": "stt", "namespace": "stt"}
TTS = {"name": "tts", "namespace": "tts", "target": "chatterbox"}
DROPPED: list[tuple[str, object, object, list[dict[str, str]]]] = [
    ("nothing was kept", {}, NIGHT, []),
    ("no gate ever acted", {"state": "{}"}, NIGHT, []),
    ("the same plan", state_of(NIGHT), NIGHT, []),
    ("the tenant is gone", state_of(NIGHT), {**NIGHT, "tenants": [STT]}, [TTS]),
    ("another target", state_of(NIGHT), plan(window("02:00", "06:00"), target=OTHER_TARGET), [TTS]),
    ("another namespace", state_of(NIGHT), plan(window("02:00", "06:00"), namespace="voice"), [TTS]),
    ("only another name", state_of(NIGHT), plan(window("02:00", "06:00"), name="speech"), []),
    ("handed over", state_of(NIGHT), {**NIGHT, "tenants": [STT, WARM]}, []),
    ("a warm one is gone", state_of({"tenants": [STT, WARM]}), {**NIGHT, "tenants": [STT]}, []),
]


@pytest.mark.parametrize(("state", "now", "left"), [row[1:] for row in DROPPED], ids=[row[0] for row in DROPPED])
def test_what_a_plan_drops_is_found_in_the_gates_state(state: object, now: object, left: list[dict[str, str]]) -> None:
    assert gate_dropped(state, now) == left


@pytest.mark.parametrize(
    "broken",
    [plan({"start": "soon"}), plan(window("02:00", "06:00"), floor="1Gi", peak=None), {**NIGHT, "margin": "6GB"}],
)
def test_what_is_to_be_stopped_needs_no_plan_that_can_be_used(broken: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError):
        gate_policy(broken)
    assert gated_targets(broken) == [TTS]
    assert gate_dropped(state_of(NIGHT), broken) == []


@pytest.mark.parametrize("value", [None, [], {}, {"tenants": "tts"}, {"tenants": ["tts", {"mode": "gated"}, WARM]}])
def test_nothing_is_stopped_that_has_no_target(value: object) -> None:
    assert gated_targets(value) == []


def test_a_state_that_is_no_json_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match=r"no JSON .*delete that ConfigMap"):
        gate_dropped({"policy": "{"}, NIGHT)


def test_targets_come_by_namespace() -> None:
    found = gate_policy(plan(window("02:00", "06:00")))
    assert found["namespaces"] == [{"name": "tts", "targets": ["chatterbox"]}]
    assert found["tenants"] == [{"name": "tts", "namespace": "tts", "target": "chatterbox"}]
