"""`report` as a user runs it: a program with a kubeconfig, against a real API server, at every stage of a life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.controlplane import ControlPlane
from tests.integration.harness.kubelet import DAEMON_REPORT, REPORT, Kubelet
from tests.integration.harness.running import RunningOperator, kubeconfig
from tests.integration.harness.space import Space
from tests.kube.api import Api

ROOT = Path(__file__).parents[3]
SECRET = "s3cr3t-VALUE"
BROKEN = REPORT | {
    "ok": False,
    "cgroup": {"version": None, "controllers": []},
    "storage": {"path": "/var/lib/docker", "filesystem": None, "overlay": False},
    "error": {
        "check": "Cgroups",
        "reason": "CgroupsNotMountable",
        "message": "The hierarchy cannot be mounted: do this.",
    },
}


class Report:
    """Runs the program."""

    def __init__(self, config: Path, namespace: str) -> None:
        self._config = config
        self._namespace = namespace

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(self._config),
        }
        command = [sys.executable, "-m", "dind_operator", "report", "-n", self._namespace, *arguments]
        return subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )

    def facts(self, *arguments: str) -> dict[str, Any]:
        done = self.run("one", "-o", "yaml", *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, Any] = yaml.safe_load(done.stdout)
        return found


@pytest.fixture
def report(plane: ControlPlane, space: Space) -> Report:
    """With the administrator's rights."""
    return Report(plane.kubeconfig, space.name)


@pytest.fixture
def limited(plane: ControlPlane, api: Api, space: Space, tmp_path: Path) -> Callable[[list[dict[str, Any]]], Report]:
    """Makes a report with the rights of a service account that has these rules in the namespace and nothing else."""

    def make(rules: list[dict[str, Any]]) -> Report:
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space.name}"
        api.create(f"{space.path}/serviceaccounts", {"metadata": {"name": "user"}})
        api.create(f"{rbac}/roles", {"metadata": {"name": "user"}, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "user"}
        subject = {"kind": "ServiceAccount", "name": "user", "namespace": space.name}
        api.create(f"{rbac}/rolebindings", {"metadata": {"name": "user"}, "roleRef": role, "subjects": [subject]})
        token = api.create(f"{space.path}/serviceaccounts/user/token", {"spec": {"expirationSeconds": 600}})["status"][
            "token"
        ]
        path = tmp_path / "user.kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig(plane.url, plane.ca, token)))
        return Report(path, space.name)

    return make


def test_a_running_environment(operator: RunningOperator, space: Space, kubelet: Kubelet, report: Report) -> None:
    space.create(spec={"daemon": {"resources": {"limits": {"memory": "2Gi"}}}})
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    found = report.facts()
    assert found["versions"]["docker"] == DAEMON_REPORT["serverVersion"]
    assert found["versions"]["kubernetes"].startswith("v1.")
    assert found["versions"]["os"] == "Debian GNU/Linux 13 (trixie)"
    assert found["node"]["name"] == kubelet.node
    assert found["node"]["cgroups"] == "v1 with cpu, memory, pids"
    assert found["node"]["apparmor"].startswith("not enabled on the node")
    assert found["memory"]["nested containers together"] == "1792Mi"
    assert {item["type"] for item in found["conditions"]} >= {"Ready", "CgroupsMounted", "UpToDate"}
    assert [item["reason"] for item in found["events"]][-1] == "Ready"
    assert any("dind-report" in line for line in found["logs"]["daemon"])
    assert "not read" not in found


def test_as_text_for_a_bug_tracker(operator: RunningOperator, space: Space, kubelet: Kubelet, report: Report) -> None:
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    done = report.run("one", "--lines", "1")
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("ENVIRONMENT", "VERSIONS", DAEMON_REPORT["serverVersion"], "CONDITIONS", "EVENTS", "LOG OF DAEMON"):
        assert part in done.stdout


def test_what_apparmor_denied_is_read_from_the_nodes_log(
    operator: RunningOperator, space: Space, kubelet: Kubelet, report: Report
) -> None:
    """By the profile that the init container found itself under, from a file and from standard input."""
    space.create(spec={"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind"}}})
    confined = REPORT | {"apparmor": {"enabled": True, "profile": "dind (enforce)"}}
    kubelet.check(kubelet.bind(space.wait_pod()), confined)
    line = (
        f'kernel: audit: type=1400 audit({int(time.time())}.1:7): apparmor="DENIED" operation="mount" profile="dind" '
        'name="/mnt/" pid=1 comm="mount" fstype="ext4" srcname="/dev/vda1"\n'
    )
    done = report.run("one", "--node-log", "-", stdin=line + line.replace('"dind"', '"other"'))
    assert (done.returncode, done.stderr) == (0, "")
    assert "DENIED mount name=/mnt/ comm=mount fstype=ext4 srcname=/dev/vda1" in done.stdout
    assert "1, 1 distinct" in done.stdout


def test_a_node_that_failed_the_check(
    operator: RunningOperator, space: Space, kubelet: Kubelet, report: Report
) -> None:
    """No daemon ever started: the sentence of the check, the kernel and the node are there all the same."""
    space.create()
    kubelet.check(kubelet.bind(space.wait_pod()), BROKEN, code=1)
    assert space.wait_reason("CgroupsNotMountable")["message"] == BROKEN["error"]["message"]
    found = report.facts()
    assert BROKEN["error"]["message"] in found["containers"]["mount-cgroups"]["failed check"]
    assert found["versions"]["kernel"] == REPORT["kernel"]
    assert found["versions"]["docker"].startswith("unknown")


def test_a_daemon_that_ends_at_once(operator: RunningOperator, space: Space, kubelet: Kubelet, report: Report) -> None:
    """Its version and its last words are read from what it left; of them only the class is in status."""
    space.create()
    pod = kubelet.start(kubelet.check(kubelet.bind(space.wait_pod())))
    tail = f"unknown flag: --x\x1b[2J password={SECRET}"
    message = json.dumps({"version": 1, "docker": "26.1.5+dfsg1", "exitCode": 1, "signal": 0, "tail": tail})
    kubelet.crash(pod, 1, message, restarts=3)
    space.wait_reason("InvalidDaemonConfig")
    assert SECRET not in json.dumps(space.environment())
    done = report.run("one")
    assert "26.1.5+dfsg1 (dockerd has not responded)" in done.stdout
    assert "unknown flag: --x\\x1b[2J password=***" in done.stdout
    assert SECRET not in done.stdout
    assert "\x1b" not in done.stdout


def test_an_environment_that_nobody_reconciles(space: Space, report: Report) -> None:
    """The operator is not there: the report says so by what is not."""
    space.create()
    found = report.facts()
    assert found["pod"] == {"exists": "no"}
    assert found["conditions"][0]["reason"] == "Pending"


def test_secrets_of_the_spec_are_masked(space: Space, report: Report) -> None:
    config = {"proxies": {"https-proxy": f"http://user:{SECRET}@proxy.example.com:3128"}, "log-opts": {"token": SECRET}}
    space.create(spec={"daemon": {"config": config, "args": [f"--log-opt=token={SECRET}"]}})
    for output in ("text", "yaml"):
        done = report.run("one", "-o", output)
        assert SECRET not in done.stdout
        assert "proxy.example.com:3128" in done.stdout


def test_what_a_user_may_not_read_is_said_and_stops_nothing(
    operator: RunningOperator, space: Space, kubelet: Kubelet, limited: Callable[[list[dict[str, Any]]], Report]
) -> None:
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    rules = [{"apiGroups": ["dind.dev"], "resources": ["dindenvironments"], "verbs": ["get"]}]
    found = limited(rules).facts()
    assert found["not read"] == ["not permitted: pods", "not permitted: namespaces", "not permitted: events"]
    assert found["versions"]["docker"] == DAEMON_REPORT["serverVersion"], "status has it too"


def test_the_log_alone_may_be_forbidden(
    operator: RunningOperator, space: Space, kubelet: Kubelet, limited: Callable[[list[dict[str, Any]]], Report]
) -> None:
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    rules = [
        {"apiGroups": ["dind.dev"], "resources": ["dindenvironments"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
    ]
    found = limited(rules).facts()
    assert "not permitted: pods/log" in found["not read"]
    assert found["node"]["cgroups"] == "v1 with cpu, memory, pids"


def test_without_any_right_there_is_a_sentence(space: Space, limited: Callable[[list[dict[str, Any]]], Report]) -> None:
    space.create()
    done = limited([]).run("one")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "not permitted: dindenvironments" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_such_environment(space: Space, report: Report) -> None:
    done = report.run("none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"dind-operator: there is no DindEnvironment none in the namespace {space.name}.")
