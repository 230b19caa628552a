"""Where `report` finds nothing it ends with a sentence. What it gathers is tested against a real API server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dind_operator.__main__ import main

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _not_in_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def failing(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["report", "builder", *arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


def test_no_kubeconfig(capsys: pytest.CaptureFixture[str]) -> None:
    message = failing(capsys)
    assert "no cluster is configured" in message
    assert "Set KUBECONFIG" in message


@pytest.mark.parametrize(
    "content", ["", "not: [closed", "just text", "- a list", '{"clusters": 7}', "current-context: x\n"]
)
def test_a_kubeconfig_that_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert "no cluster is configured" in failing(capsys)


def test_an_api_server_that_cannot_be_reached(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "contexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(path))
    assert "cannot be read" in failing(capsys, "-n", "team-a")


def test_a_node_log_that_is_not_there_is_named_before_the_cluster_is_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    message = failing(capsys, "--node-log", str(tmp_path / "absent"))
    assert f"the log {tmp_path}/absent of the node cannot be read: No such file or directory" in message
    assert "journalctl -k" in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["report"],
        ["report", "x", "--lines", "-1"],
        ["report", "x", "--lines", "many"],
        ["report", "x", "-o", "json"],
        [],
    ],
)
def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_as_a_program_it_prints_no_traceback(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run(
        [sys.executable, "-m", "dind_operator", "report", "builder"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
