"""That the cluster's own tests passed is recorded for exactly the state that was tested, and only when all of them passed."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from tests.harness import __main__ as command
from tests.harness import dependencies
from tests.harness.passed import Stamp, due, run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dind-operator" / "passed"


def test_before_the_tests_passed_they_are_due() -> None:
    assert due("aaaa") == (
        True,
        "The tests of the embedded cluster must run: they have not passed on this machine for this code.",
    )


def test_once_they_passed_they_are_not_due_for_that_state(cache: Path) -> None:
    assert run(lambda: 0, lambda: "aaaa") == 0
    is_due, sentence = due("aaaa")
    assert not is_due
    date = Stamp("aaaa").date()
    assert date is not None
    assert sentence == (
        f"The tests of the embedded cluster passed for this code on {date:%Y-%m-%d at %H:%M} UTC; "
        "`make test-harness` runs them again."
    )
    assert [file.name for file in cache.iterdir()] == ["harness-aaaa"]
    assert due("bbbb")[0]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, -9])
def test_nothing_is_recorded_unless_all_passed(code: int, cache: Path) -> None:
    assert run(lambda: code, lambda: "aaaa") == code
    assert due("aaaa")[0]
    assert not cache.exists()


def test_nothing_is_recorded_when_a_dependency_changes_meanwhile(cache: Path) -> None:
    states = iter(["aaaa", "bbbb"])
    assert run(lambda: 0, lambda: next(states)) == 0
    assert not cache.exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"passed": 1}', '{"passed": "yesterday"}'])
def test_a_record_that_cannot_be_read_does_not_count(text: str, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "harness-aaaa").write_text(text)
    assert due("aaaa")[0]


def test_the_exit_codes_of_due(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(dependencies, "key", lambda *_: "aaaa")
    assert command.main(["due"]) == 0
    assert "must run" in capsys.readouterr().out
    run(lambda: 0, lambda: "aaaa")
    assert command.main(["due"]) == 1
    assert "`make test-harness` runs them again" in capsys.readouterr().out

    def broken(*_: object) -> str:
        raise SyntaxError("a file that cannot be read")

    monkeypatch.setattr(dependencies, "key", broken)
    assert command.main(["due"]) == 2


def test_options_of_the_environment_leave_no_test_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the results go is the one option that does not change what is run."""
    seen: list[dict[str, str]] = []

    def started(*_: object, env: dict[str, str], **__: object) -> subprocess.CompletedProcess[str]:
        seen.append(env)
        return subprocess.CompletedProcess([], 3)

    monkeypatch.setattr(command.subprocess, "run", started)
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing --junitxml='/a folder/gate.xml' --deselect=x")
    assert command._run("/") == 3
    monkeypatch.delenv("PYTEST_ADDOPTS")
    command._run("/")
    assert [shlex.split(env["PYTEST_ADDOPTS"]) for env in seen] == [["--junitxml=/a folder/gate.xml"], []]
