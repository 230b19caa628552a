"""The whole command line: help, usage, and how each failure ends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator import __version__
from dind_operator.plugin import main as module
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.main import cli, main

ROOT = Path(__file__).parents[3]


def test_help_lists_the_commands_in_the_order_of_a_life(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    out = capsys.readouterr().out.partition("Commands:")[2]
    positions = [out.index(f"\n  {name} ") for name in ("create", "list", "wait", "env", "docker", "suspend", "delete")]
    assert positions == sorted(positions)
    assert "Exit codes: 0 success" in out


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"kubectl dind {name}" in out.partition("\n\n")[2], "an example"
    for option in cli.commands[name].params:
        assert not isinstance(option, click.Option) or option.help, option.name
    assert "..." not in cli.commands[name].get_short_help_str(62), "the list of commands has the whole sentence"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"kubectl dind, version {__version__}\n"


@pytest.mark.parametrize(
    "line",
    [[], ["frobnicate"], ["create"], ["wait", "One"], ["wait", "one", "--timeout=soon"], ["list", "-o", "xml"], ["extend", "one"]],
)  # fmt: skip
def test_wrong_usage_is_2_and_nothing_is_called(
    line: list[str], kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line) == Exit.USAGE
    assert capsys.readouterr().out == ""
    assert kubectl.calls() == []


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (CliError("what is wrong", Exit.NOT_USABLE), 7, "kubectl dind: what is wrong\n"),
        (KeyboardInterrupt(), 130, "\n"),
        (click.Abort(), 130, "\n"),
        (click.ClickException("odd"), 1, "kubectl dind: odd\n"),
    ],
)
def test_failures_end_with_a_sentence_and_a_code(
    raised: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(module.cli, "main", fail)
    assert main(["list"]) == code
    assert capsys.readouterr() == ("", said)


def test_a_reader_that_has_seen_enough_is_no_error(kubectl: FakeKubectl) -> None:
    kubectl.answers("get", {"items": [{"metadata": {"name": f"a{number}"}} for number in range(20000)]})
    line = f"{sys.executable} -m dind_operator.plugin list -o name | head -1"
    done = subprocess.run(
        ["sh", "-c", line],
        env=os.environ | {"PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("dindenvironment.dind.dev/a0\n", "")
