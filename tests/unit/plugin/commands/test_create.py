"""`create` and `delete`, with kubectl's answers given."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl

from dind_operator.plugin.main import main


def test_a_dry_run_prints_what_would_be_made_and_asks_nobody(
    kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["create", "one", "--cpu=2", "--dry-run=client"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["spec"] == {"daemon": {"resources": {"limits": {"cpu": "2"}}}}
    assert main(["create", "one", "--dry-run=client", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["metadata"] == {"name": "one"}
    assert kubectl.calls() == []


def test_create_hands_the_object_over_and_waits(kubectl: FakeKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl.answers("create", states.environment())
    kubectl.answers("get", states.usable())
    assert main(["create", "one", "--memory=1Gi"]) == 0
    assert json.loads(kubectl.given("create"))["spec"]["daemon"]["resources"]["limits"] == {"memory": "1Gi"}
    assert "one is ready" in capsys.readouterr().out
    assert [line.split()[0] for line in kubectl.calls()] == ["create", "get"]
    assert main(["create", "one", "--no-wait", "-o", "name"]) == 0
    assert capsys.readouterr().out == "dindenvironment.dind.dev/one\n"
    assert [line.split()[0] for line in kubectl.calls()] == ["create", "get", "create"]
    assert main(["create", "one", "--no-wait", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == states.environment()


def test_a_file_stands_for_the_flags(kubectl: FakeKubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl.answers("create", states.environment())
    file = tmp_path / "one.yaml"
    file.write_text(yaml.safe_dump(states.environment(spec={"updatePolicy": "OnDelete"})))
    assert main(["create", "-f", str(file), "--dry-run=server"]) == 0
    assert json.loads(kubectl.given("create"))["spec"] == {"updatePolicy": "OnDelete"}
    assert "--dry-run=server" in kubectl.calls()[0]
    assert "was not created" in capsys.readouterr().out
    assert main(["create", "-f", str(file), "--cpu=1"]) == 2
    assert "mutually exclusive" in capsys.readouterr().err
    assert main(["create", "-f", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_delete_goes_on_after_one_that_is_not_there_and_says_so(
    kubectl: FakeKubectl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one").write_text(json.dumps(states.usable()))
    gone = 'echo "Error from server (NotFound): dindenvironments.dind.dev \\"none\\" not found" >&2; exit 1'
    kubectl.runs("get", f'case "$*" in *none*) {gone};; *) cat {tmp_path}/one;; esac')
    assert main(["delete", "none", "one", "--no-wait"]) == 3
    out, err = capsys.readouterr()
    assert out == "one is being deleted.\n"
    assert "there is no DindEnvironment none" in err
    assert [line for line in kubectl.calls() if line.startswith("delete")] == [
        "delete dindenvironments.dind.dev one --wait=false"
    ]
    assert main(["delete", "none", "--ignore-not-found"]) == 0
