"""`dind-operator report`: one command prints what a bug report needs, also when dockerd never started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.environments.conftest import Environments
from tests.environment import Environment
from tests.helm import NAMESPACE as OPERATOR_NAMESPACE
from tests.installation import Installation
from tests.live import Cluster

# All there is: with the short minute of the shared installation the helper's lines about an idle daemon soon fill the last thirty.
LINES = ("--lines", "1000")


def report(environment: Environment) -> str:
    """What the command prints on a user's machine, with the user's rights."""
    line = [
        sys.executable,
        "-m",
        "dind_operator",
        "report",
        environment.name,
        "--namespace",
        environment.namespace,
        *LINES,
    ]
    variables = {**os.environ, "KUBECONFIG": str(environment.cluster.kubeconfig)}
    variables["PYTHONPATH"] = str(Path(__file__).parents[3] / "operator")
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def line_of(text: str, title: str) -> str:
    """The rest of the line that begins with a title."""
    found = re.search(rf"^ *{re.escape(title)} +(.+)$", text, re.MULTILINE)
    assert found, f"no line {title!r} in\n{text}"
    return found[1]


def node_facts(kube: Cluster, environment: Environment) -> dict[str, str]:
    node = kube.existing("node", (environment.pod() or {})["spec"]["nodeName"])
    facts: dict[str, str] = node["status"]["nodeInfo"]
    return facts


def check_versions(text: str, facts: dict[str, str]) -> None:
    assert line_of(text, "os:") == facts["osImage"]
    assert line_of(text, "kernel:") == facts["kernelVersion"]
    assert line_of(text, "container runtime:") == facts["containerRuntimeVersion"]
    assert line_of(text, "kubelet:") == facts["kubeletVersion"]
    assert line_of(text, "kubernetes:").startswith("v1.")
    assert re.match(r"v[12] ", line_of(text, "cgroups:"))
    assert line_of(text, "apparmor:")
    assert line_of(text, "file system:")


def test_the_report_of_an_environment_that_works(bench: Environment, kube: Cluster) -> None:
    text = report(bench)
    check_versions(text, node_facts(kube, bench))
    assert line_of(text, "docker:") == bench.docker("info", "--format", "{{.ServerVersion}}")
    assert line_of(text, "storage driver:") == "overlayfs"
    assert line_of(text, "phase:") == "Running"
    assert line_of(text, "Ready").startswith("True")
    assert "level=" in text[text.index("LOG OF DAEMON") :]


def test_the_report_from_the_operators_pod(bench: Environment, operator: Installation, kube: Cluster) -> None:
    """With the operator's rights, which are fewer than a user's: it says what is missing for them, and all the rest."""
    line = ["exec", "deploy/dind-operator", f"--namespace={OPERATOR_NAMESPACE}", "--", "dind-operator", "report"]
    text = operator.cluster(*line, bench.name, "--namespace", bench.namespace, *LINES)
    check_versions(text, node_facts(kube, bench))
    assert line_of(text, "docker:") == bench.docker("info", "--format", "{{.ServerVersion}}")
    assert line_of(text, "Ready").startswith("True")
    assert "not permitted: events" in text
    assert "not permitted: namespaces" in text
    assert "level=" in text[text.index("LOG OF DAEMON") :]


@pytest.mark.parametrize("setting", ["config", "args"])
def test_the_report_of_a_daemon_that_never_started(environments: Environments, kube: Cluster, setting: str) -> None:
    value: object = {"no-such-setting": True} if setting == "config" else ["--no-such-setting"]
    environment = environments(f"mute-{setting}").apply({"daemon": {setting: value}})
    environment.wait_reason("InvalidDaemonConfig")
    text = report(environment)
    check_versions(text, node_facts(kube, environment))
    # The version comes from the wrapper: dockerd itself has never said anything.
    assert re.match(r"\d+\.\d+", line_of(text, "docker:"))
    assert line_of(text, "Ready").startswith("False")
    assert line_of(text, "reason:") == "InvalidDaemonConfig"
    assert line_of(text, "exitCode:") == "1"
    # dockerd's own sentence, for who may read the pod's log.
    assert "no-such-setting" in text[text.index("LOG OF DAEMON") :]


def test_the_report_of_an_environment_without_a_pod(environments: Environments) -> None:
    environment = environments("asleep").apply({"operatingMode": "Suspended"})
    environment.wait_reason("Suspended")
    text = report(environment)
    assert line_of(text, "phase:") == "Suspended"
    assert line_of(text, "Ready").startswith("False")
