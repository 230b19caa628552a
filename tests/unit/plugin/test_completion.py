"""Completion: what kubectl is answered, and what a shell is given."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin import completion
from dind_operator.plugin.main import cli, main

NAMES = "dindenvironment.dind.dev/alpha\ndindenvironment.dind.dev/beta\n"


def test_commands_and_options_come_with_their_words(kubectl: FakeKubectl) -> None:
    assert completion.complete(cli, ["su"]) == "suspend\tSuspend an environment: delete its pod.\n:4\n"
    assert completion.complete(cli, ["create", "--storage"]).startswith("--storage-size\tSize limit of")
    assert completion.complete(cli, ["create", "--mode", "C"]) == "Capabilities\n:4\n"
    assert completion.complete(cli, ["create", "-f", ""]) == ":0\n", "the shell's own files"
    assert "create\t" in completion.complete(cli, [])
    assert kubectl.calls() == []


def test_names_are_those_of_the_chosen_namespace(kubectl: FakeKubectl) -> None:
    kubectl.answers("get", NAMES)
    assert completion.complete(cli, ["wait", "-n", "builds", "a"]) == "alpha\n:4\n"
    assert kubectl.calls() == ["get dindenvironments.dind.dev --output=name --request-timeout=3s --namespace=builds"]
    kubectl.answers("get", "namespace/one\nnamespace/two\n")
    assert completion.complete(cli, ["list", "-n", "t"]) == "two\n:4\n"


def test_what_cannot_be_had_is_no_completion_and_no_noise(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.fails("get", "Unable to connect to the server")
    assert completion.main(["wait", ""]) == 0
    assert capsys.readouterr() == (":4\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_asks_this_program(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"{completion.VARIABLE}={shell}_complete" in script
    assert completion.PROGRAM in script
    program = shutil.which(shell)
    if shell == "bash":
        assert program is not None
        subprocess.run([program, "-n"], input=script, text=True, check=True, timeout=10)


def test_the_script_is_answered(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.answers("get", NAMES)
    monkeypatch.setenv(completion.VARIABLE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "kubectl-dind wait b")
    monkeypatch.setenv("COMP_CWORD", "2")
    with pytest.raises(SystemExit) as caught:
        main([])
    assert caught.value.code == 0
    assert capsys.readouterr().out == "plain,beta\n"
