"""CLUSTER=current: the user's own cluster is named before anything is done to it, and never stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cluster.record import checkout

CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "mine",
    "contexts": [{"name": "mine", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://cluster.example:6443"}}],
    "users": [{"name": "u", "user": {}}],
}


def run(verb: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.cluster", verb],
        check=False,
        cwd=checkout(),
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(CONFIG))
    return str(file)


def test_up_says_which_cluster_and_what_will_be_made_there(kubeconfig: str) -> None:
    done = run("up", CLUSTER="current", KUBECONFIG=kubeconfig)
    assert done.returncode == 0, done.stderr
    assert "context mine, server https://cluster.example:6443" in done.stderr
    assert "Privileged pods will be created there" in done.stderr


def test_kubeconfig_prints_the_users_own_path_alone(kubeconfig: str) -> None:
    assert run("kubeconfig", CLUSTER="current", KUBECONFIG=kubeconfig).stdout == f"{kubeconfig}\n"


@pytest.mark.parametrize("verb", ["down", "reboot", "status"])
def test_verbs_of_the_embedded_cluster_refuse(kubeconfig: str, verb: str) -> None:
    done = run(verb, CLUSTER="current", KUBECONFIG=kubeconfig)
    assert done.returncode == 1
    assert "CLUSTER=current" in done.stderr


@pytest.mark.parametrize(
    ("value", "words"),
    [("/absent/kubeconfig", "does not exist"), ("/a:/b", "several files")],
)
def test_a_kubeconfig_that_cannot_be_used_is_explained(value: str, words: str) -> None:
    done = run("up", CLUSTER="current", KUBECONFIG=value)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_kubeconfig_without_a_context_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(CONFIG | {"current-context": ""}))
    done = run("up", CLUSTER="current", KUBECONFIG=str(file))
    assert done.returncode == 1
    assert "kubectl config use-context" in done.stderr
