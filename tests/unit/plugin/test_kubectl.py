"""How kubectl is called, and what becomes of its answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin import kubectl as module
from dind_operator.plugin.errors import CliError, Exit, NotFoundError
from dind_operator.plugin.kubectl import Kubectl, Target, find_program

ALL = Target("/k", "c", "n")


def test_the_targets_flags_stand_before_what_belongs_to_another_program(kubectl: FakeKubectl) -> None:
    flags = ["--kubeconfig=/k", "--context=c", "--namespace=n"]
    assert Kubectl(ALL).command("get", "pods")[1:] == ["get", "pods", *flags]
    assert Kubectl(ALL).command("exec", "x", "--", "ls", "--", "a")[1:] == ["exec", "x", *flags, "--", "ls", "--", "a"]
    assert Kubectl(Target()).command("get")[1:] == ["get"]


def test_an_answer_is_an_object_and_what_is_given_is_read(kubectl: FakeKubectl) -> None:
    kubectl.answers("create", {"kind": "X"})
    assert Kubectl(ALL).json("create", "--filename=-", stdin="{}") == {"kind": "X"}
    assert kubectl.given("create") == "{}"
    assert kubectl.calls() == ["create --filename=- --output=json --kubeconfig=/k --context=c --namespace=n"]


def test_a_refusal_names_what_was_asked_for(kubectl: FakeKubectl) -> None:
    kubectl.fails("get", 'Error from server (NotFound): dindenvironments.dind.dev "one" not found')
    with pytest.raises(NotFoundError, match="there is no DindEnvironment one in the namespace n"):
        Kubectl(ALL).environment("one")


def test_environment_and_pod_come_in_one_call(kubectl: FakeKubectl) -> None:
    for answer, names in (
        (states.both(), ["DindEnvironment", "Pod"]),
        (states.usable(), ["DindEnvironment", None]),
        (states.pod(), [None, "Pod"]),
        ("", [None, None]),
    ):
        kubectl.answers("get", answer)
        found = Kubectl(ALL).environment_and_pod("one")
        assert [item["kind"] if item else None for item in found] == names


def test_where_is_by_the_context_and_the_flag_wins(kubectl: FakeKubectl) -> None:
    view = {
        "contexts": [{"context": {"user": "me", "namespace": "mine"}}],
        "clusters": [{"cluster": {"server": "https://a"}}],
    }
    kubectl.answers("config", view)
    assert Kubectl(Target()).cluster_user_namespace() == ("https://a", "me", "mine")
    assert Kubectl(ALL).cluster_user_namespace() == ("https://a", "me", "n")
    kubectl.fails("config", "error: current-context must exist in order to minify")
    assert Kubectl(Target()).cluster_user_namespace()[2] == "default"


def test_a_server_that_is_silent_is_not_waited_for_for_ever(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl.runs("get", "exec sleep 20")
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    with pytest.raises(CliError, match="no response within") as caught:
        Kubectl(ALL)("get")
    assert caught.value.code is Exit.UNREACHABLE


def test_a_program_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CliError, match="the program kubectl is not on PATH") as caught:
        Kubectl(ALL)("get")
    assert caught.value.code == 127
    monkeypatch.setenv("PATH", "/bin")
    assert find_program("sh") == "/bin/sh"
