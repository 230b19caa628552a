"""`env`, `docker` and `shell`: what is printed, and what this process becomes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin import kubectl as kubectl_module
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.main import main
from dind_operator.plugin.session.record import PENDING, Session


@pytest.fixture
def opened(kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The users of the session that is opened; it is on port 40001."""
    users: list[str] = []
    session = Session(tmp_path / "session")
    session.make()
    session.write_state(port=40001)

    def open_session(_: Kubectl, name: str, user: str) -> Session:
        users.append(f"{name} {user}")
        return session

    for command in ("env", "docker"):
        monkeypatch.setattr(f"dind_operator.plugin.commands.{command}.open_session", open_session)
    monkeypatch.setenv("SHELL", "/bin/bash")
    return users


def test_env_prints_what_a_shell_runs(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["env", "one"]) == 0
    assert "export DOCKER_HOST=tcp://127.0.0.1:40001;" in capsys.readouterr().out
    assert opened == [f"one {PENDING}{os.getpid()}"]
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert main(["env", "one"]) == 0
    assert "set -gx DOCKER_HOST 'tcp://127.0.0.1:40001';" in capsys.readouterr().out
    assert main(["env", "one", "--shell=sh"]) == 0
    assert "export DOCKER_HOST" in capsys.readouterr().out
    assert main(["env", "one", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["DOCKER_TLS_VERIFY"] == "1"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_env_says_what_hides_the_authority_from_docker_py(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    assert main(["env", "one"]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setenv(variable, "/etc/corporate.pem")
    assert main(["env", "one"]) == 0
    printed = capsys.readouterr()
    assert f"{variable} is set." in printed.err
    assert f"env -u {variable} PROGRAM" in printed.err
    assert variable not in printed.out
    assert opened


def test_env_stop_takes_the_variables_back_whether_or_not_there_was_a_forward(
    opened: list[str], kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl.fails("config", "none")
    assert main(["env", "one", "--stop"]) == 0
    assert capsys.readouterr() == (
        "unset DOCKER_HOST;\nunset DOCKER_TLS_VERIFY;\nunset DOCKER_CERT_PATH;\n",
        "There is no port forwarding to one.\n",
    )
    assert opened == []


def test_docker_becomes_docker_as_a_user_of_the_session(
    opened: list[str], kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(
        "dind_operator.plugin.commands.docker.execute", lambda line, environment: became.append((line, environment))
    )
    (kubectl.folder / "docker").write_text("#!/bin/sh\n")
    (kubectl.folder / "docker").chmod(0o755)
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    assert main(["docker", "one", "-n", "builds", "--", "run", "-n", "--rm", "--", "a"]) == 0
    [(line, environment)] = became
    assert line == [str(kubectl.folder / "docker"), "run", "-n", "--rm", "--", "a"]
    assert environment["DOCKER_HOST"] == "tcp://127.0.0.1:40001"
    assert "DOCKER_CONTEXT" not in environment
    assert opened == [f"one {os.getpid()}"]


def test_without_docker_nothing_is_opened(
    opened: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["docker", "one", "--", "ps"]) == 127
    assert "the program docker is not on PATH" in capsys.readouterr().err
    assert opened == []


def test_shell_is_kubectl_exec_in_the_daemons_container(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(kubectl_module, "execute", lambda line: became.append(line[1:]))
    kubectl.answers("get", states.usable())
    assert main(["shell", "one", "-n", "builds", "--", "docker", "info"]) == 0
    assert main(["shell", "one"]) == 0
    assert became[0] == [
        "exec",
        "--stdin",
        "pods/one",
        "--container=daemon",
        "--namespace=builds",
        "--",
        "docker",
        "info",
    ]
    assert became[1][4:6] == ["--", "sh"]
    kubectl.answers("get", states.environment(spec={"operatingMode": "Suspended"}))
    assert main(["shell", "one"]) == 7
    assert "kubectl dind resume one" in capsys.readouterr().err
    assert len(became) == 2
