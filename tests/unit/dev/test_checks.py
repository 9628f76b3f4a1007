"""The commands behind `make test` must notice failures, also those that look like success."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dev.checks import stage
from dev.checks.__main__ import summary
from dev.checks.sanity import GET_PIP
from dev.checks.stage import Check, files, run_all
from dev.setup.common import LOCKS, ROOT, SetupError, Stamp, digest, run
from dev.setup.tools import find_python


def python(code: str, expected: str = "") -> Check:
    return Check("example", [sys.executable, "-c", code], expected=expected)


@pytest.mark.parametrize(
    ("check", "passes"),
    [
        (python("print('fine')"), True),
        (python("raise SystemExit(3)"), False),
        (python("print('read 3 files')", expected="read"), True),
        (python("print('All targets skipped.')", expected="read"), False),
    ],
)
def test_check_passes(check: Check, passes: bool) -> None:
    assert check.passes() is passes


@pytest.mark.parametrize("side_by_side", [False, True])
def test_every_check_runs_and_the_failed_ones_are_named(capsys: pytest.CaptureFixture[str], side_by_side: bool) -> None:
    broken = Check("broken", [sys.executable, "-c", "raise SystemExit('why it failed')"])
    fine = python("print('unread')")
    assert run_all(*([[broken], [fine]] if side_by_side else [[broken, fine]])) == 1
    said = capsys.readouterr().out
    assert "why it failed" in said
    assert "unread" not in said
    assert said.endswith("failed: broken\n")


def test_who_is_silent_for_long_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    named = tmp_path / "named"
    code = f"import pathlib, time\nwhile not pathlib.Path({str(named)!r}).exists(): time.sleep(0.01)"
    monkeypatch.setattr(stage, "SILENT", 0.05)

    def say(*words: str, flush: bool) -> None:
        named.touch()
        print(*words, flush=flush)

    monkeypatch.setattr(stage, "print", say, raising=False)
    assert run_all([python(code)]) == 0
    assert re.search(r"still at it: example \(\d+ s\)", capsys.readouterr().out)


def test_summary_tells_what_was_not_reached() -> None:
    lines = summary(["lint", "unit", "molecule"], {"lint": 1.0, "unit": 2.0}, failed=True).splitlines()
    assert [re.split(r" {2,}", line)[0] for line in lines[2:]] == ["lint", "unit", "molecule", "all"]
    assert "passed" in lines[2]
    assert "FAILED: repeat it with `make unit`" in lines[3]
    assert "not reached" in lines[4]
    assert lines[5].endswith("3.0 s FAILED")


def test_files_are_those_that_git_would_take() -> None:
    found = files("*.yml", ":!roles")
    assert Path("galaxy.yml") in found
    assert not any(path.parts[0] in ("roles", ".venv", "build") for path in found)


def test_error_names_the_program_and_what_it_said() -> None:
    with pytest.raises(SetupError, match=r"(?s)no tools \(.*python.* ended with 1\)\nnot today"):
        run([sys.executable, "-c", "raise SystemExit('not today')"], "no tools")
    with pytest.raises(SetupError, match=r"no tools \(no-such-program is not there\)"):
        run(["no-such-program"], "no tools")
    with pytest.raises(SetupError, match=r"no tools \(no answer within 0 s\)"):
        run([sys.executable, "-c", "import signal; signal.pause()"], "no tools", timeout=0.01)


def test_stamp_is_fresh_only_for_the_same_inputs(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_text("1")
    assert not Stamp(tmp_path / "stamp", digest(source)).fresh()
    Stamp(tmp_path / "stamp", digest(source)).write()
    assert Stamp(tmp_path / "stamp", digest(source)).fresh()
    source.write_text("2")
    assert not Stamp(tmp_path / "stamp", digest(source)).fresh()


def test_only_a_working_python_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shim = tmp_path / f"python{version}"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "nowhere" / "else"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    assert find_python(version) is None
    built = tmp_path / "pyenv" / "versions" / f"{version}.0" / "bin"
    built.mkdir(parents=True)
    (built / f"python{version}").symlink_to(sys.executable)
    assert find_python(version) is not None


def test_get_pip_hands_its_arguments_to_the_pip_of_the_wheel(tmp_path: Path) -> None:
    package = tmp_path / "pip"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; print(sys.argv[1:])")
    script = tmp_path / "get_pip.py"
    script.write_text(GET_PIP.format(folder="/wheels", wheel=str(tmp_path)))
    asked = [sys.executable, str(script), "pip==24.2", "--no-setuptools", "--no-wheel"]
    said = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert said == "['install', '--no-index', '--find-links', '/wheels', 'pip==24.2']\n"


def test_lock_holds_every_tool_and_names_no_host() -> None:
    lock = (ROOT / "dev" / "requirements.txt").read_text()
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    pinned = set(re.findall(r"(?m)^([a-z0-9-]+==\S+)", lock))
    names = {pin.partition("==")[0] for pin in pinned}
    for requirement in wanted:
        wish = requirement.partition(";")[0].strip().lower()
        assert wish in (pinned if "==" in wish else names), "run `make lock`"
    for path in (ROOT / "dev" / "requirements.txt", *LOCKS.glob("*.txt")):
        assert "://" not in path.read_text()
        assert "--hash=sha256:" in path.read_text()
