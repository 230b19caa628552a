"""`list`, `wait`, `logs` and `report`, with kubectl's answers given."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl
from tests.unit.plugin.states import condition, environment

from dind_operator.plugin import kubectl as kubectl_module
from dind_operator.plugin.commands.list import HEAD, row
from dind_operator.plugin.main import main
from dind_operator.report import gather as report_module
from dind_operator.report.gather import UnreportableError

NOW = datetime(2026, 1, 1, 1, tzinfo=UTC)
STATUS = {
    "phase": "Running",
    "nodeName": "n1",
    "docker": {"serverVersion": "26.1.5"},
    "lifetime": {"expiresAt": "2026-01-02T00:00:00Z"},
}


def test_a_row_says_what_there_is_and_what_it_does() -> None:
    found = environment(states.READY, states.ENDPOINT, status=STATUS, creationTimestamp="2026-01-01T00:00:00Z")
    assert row(found, NOW) == ["one", "Running", "True", "n1", "26.1.5", "2026-01-02T00:00:00Z", "60m", "ready"]
    bare = row(environment(), NOW)
    assert bare == ["one", "-", "-", "-", "-", "-", "?", "waiting for the operator to process the environment"]
    assert len(bare) == len(HEAD)


def test_what_a_tenant_wrote_does_nothing_to_the_terminal() -> None:
    found = environment(condition("Ready", "False", "X", "\x1b]0;a\x07"), status={"nodeName": "\x1b[2J"})
    assert "\x1b" not in "".join(row(found, NOW))


def test_the_list_in_each_form(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"items": [states.usable()]}
    kubectl.answers("get", answer)
    assert main(["list", "-A", "-l", "a=b"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert (head.split()[0], row.split()[:2]) == ("NAMESPACE", ["builds", "one"])
    assert kubectl.calls()[0].split()[2:4] == ["--all-namespaces", "--selector=a=b"]
    assert main(["list", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == answer
    kubectl.answers("get", {"items": []})
    kubectl.fails("config", "none")
    assert main(["list", "-n", "builds"]) == 0
    assert capsys.readouterr() == (
        "",
        "No environments found in the namespace builds. Create one with: kubectl dind create NAME\n",
    )
    assert main(["list", "-o", "name"]) == 0
    assert capsys.readouterr().out == ""


def test_wait_prints_what_it_came_to(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl.answers("get", states.usable())
    assert main(["wait", "one"]) == 0
    assert capsys.readouterr().out == "one: ready\n"
    assert main(["wait", "one", "--timeout=0s", "--for=suspended"]) == 6
    kubectl.answers("get", "")
    assert main(["wait", "one", "--for=deleted"]) == 0
    assert capsys.readouterr().out == "one is deleted.\n"


def test_logs_are_kubectls(kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(kubectl_module, "execute", lambda line: became.append(line[1:]))
    kubectl.answers("get", states.usable())
    assert main(["logs", "one", "-f", "--tail=5", "--since=10m", "-p"]) == 0
    assert main(["logs", "one", "--check"]) == 0
    assert became == [
        ["logs", "pods/one", "--container=daemon", "--tail=5", "--follow", "--previous", "--since=10m"],
        ["logs", "pods/one", "--container=mount-cgroups", "--tail=-1"],
    ]


def test_report_asks_with_the_same_target(
    kubectl: FakeKubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[object, ...]] = []

    async def report_text(*arguments: object, context: str | None) -> str:
        asked.append((*arguments, context))
        if len(asked) > 1:
            raise UnreportableError("there is nothing to report on.")
        return "the report\n"

    monkeypatch.setattr(report_module, "report_text", report_text)
    monkeypatch.setenv("KUBECONFIG", "/other")
    kubectl.answers("get", states.usable())
    kubectl.fails("config", "none")
    line = ["report", "one", "-n", "builds", "--context=c", "--kubeconfig=/k", "--lines=7", "-o", "yaml"]
    assert main(line) == 0
    assert asked == [("one", "builds", 7, "yaml", None, "c")]
    assert os.environ["KUBECONFIG"] == "/k"
    assert capsys.readouterr().out == "the report\n"
    assert main(line) == 1
    assert capsys.readouterr().err == "kubectl dind: there is nothing to report on.\n"
