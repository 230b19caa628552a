"""`kubectl dind` against a real API server with the operator at work; the test plays the kubelet. What needs a daemon (env,
docker, shell) is in tests/e2e.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.controlplane import ControlPlane
from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, Clock, RunningOperator, kubeconfig
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.plugin import Plugin


@pytest.fixture
def dind(plane: ControlPlane, space: Space, tmp_path: Path) -> Plugin:
    return Plugin(tmp_path / "plugin", plane.kubeconfig, space.name)


@pytest.fixture
def limited(plane: ControlPlane, api: Api, space: Space, tmp_path: Path) -> Callable[[list[dict[str, Any]]], Path]:
    """Makes a kubeconfig of somebody who has these rights in the namespace and no others."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space.name}"
    numbers = itertools.count(1)

    def make(rules: list[dict[str, Any]]) -> Path:
        name = f"user-{next(numbers)}"
        api.create(f"{space.path}/serviceaccounts", {"metadata": {"name": name}})
        api.create(f"{rbac}/roles", {"metadata": {"name": name}, "rules": rules})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": name, "namespace": space.name}
        api.create(f"{rbac}/rolebindings", {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]})
        request = {"spec": {"expirationSeconds": 600}}
        token = api.create(f"{space.path}/serviceaccounts/{name}/token", request)["status"]["token"]
        path = tmp_path / f"{name}.kubeconfig"
        path.write_text(yaml.safe_dump(kubeconfig(plane.url, plane.ca, token)))
        return path

    return make


def finished(process: subprocess.Popen[str], code: int = 0) -> tuple[str, str]:
    """What a command printed in the end: results and the rest."""
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, out + err
    return out, err


def played(process: subprocess.Popen[str], kubelet: Kubelet, space: Space, code: int = 0) -> tuple[str, str]:
    """The same, with the kubelet at work meanwhile."""
    with kubelet.serving(space.name):
        return finished(process, code)


def test_create_waits_until_the_daemon_answers_and_tells_what_goes_on(
    operator: RunningOperator, space: Space, kubelet: Kubelet, dind: Plugin
) -> None:
    process = dind.start(
        "create", "one", "--cpu=2", "--memory=1Gi", "--storage-size=5Gi", "--ttl=7d", "--mode=Privileged"
    )
    out, err = played(process, kubelet, space)
    assert "one is ready" in out
    assert "one is created.\n" in err
    spec = (space.environment() or {})["spec"]
    assert spec["daemon"]["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert (
        spec["storage"] == {"emptyDir": {"medium": "", "sizeLimit": "5Gi"}}
        or spec["storage"]["emptyDir"]["sizeLimit"] == "5Gi"
    )
    assert spec["lifetime"]["ttl"] == "7d"
    assert "\x1b" not in out + err, "no colours and no moving line where there is no terminal"
    listed = dind("list").splitlines()
    assert listed[0].split()[:3] == ["NAME", "PHASE", "READY"]
    assert listed[1].split()[:3] == ["one", "Running", "True"]
    assert dind("list", "-o", "name") == "dindenvironment.dind.dev/one\n"
    assert dind.json("list")["items"][0]["metadata"]["name"] == "one"
    assert dind.json("wait", "one")["status"]["phase"] == "Running"
    assert dind("wait", "one", "-o", "name") == "dindenvironment.dind.dev/one\n"


def test_wait_says_what_the_pod_does_and_ends_with_6_when_the_time_is_over(
    operator: RunningOperator, space: Space, kubelet: Kubelet, dind: Plugin
) -> None:
    space.create()
    kubelet.start(kubelet.check(kubelet.bind(space.wait_pod())))
    space.wait_reason("DaemonStarting")
    said = dind.refused(6, "wait", "one", "--timeout=2s")
    assert said.startswith(f"one: the Docker daemon is starting (on {kubelet.node})\n")
    assert "one is not ready after 2s" in said
    kubelet.ready(space.pod() or {})
    assert dind("wait", "one", "--timeout=60s").startswith("one: ")


def test_suspend_and_resume(operator: RunningOperator, space: Space, kubelet: Kubelet, dind: Plugin) -> None:
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    out, _ = played(dind.start("suspend", "one"), kubelet, space)
    assert "one is suspended. Resume it with: kubectl dind resume one" in out
    assert space.pod() is None
    assert (space.environment() or {})["spec"]["operatingMode"] == "Suspended"
    for command in (("env", "one"), ("docker", "one", "--", "ps"), ("shell", "one"), ("logs", "one"), ("wait", "one")):
        assert "one is suspended" in dind.refused(7, *command), command
    out, _ = played(dind.start("resume", "one"), kubelet, space)
    assert "one is ready" in out
    assert space.pod() is not None


def test_delete_waits_until_environment_and_pod_are_gone(
    operator: RunningOperator, space: Space, kubelet: Kubelet, dind: Plugin
) -> None:
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    out, _ = played(dind.start("delete", "one"), kubelet, space)
    assert out == "one is deleted.\n"
    assert (space.environment(), space.pod()) == (None, None)
    assert "there is no DindEnvironment one" in dind.refused(3, "delete", "one")
    assert dind("delete", "one", "--ignore-not-found") == ""


def test_extend_writes_the_annotation_and_never_shortens(operator: RunningOperator, space: Space, dind: Plugin) -> None:
    space.create(spec={"lifetime": {"ttl": "1h"}})
    before = datetime.now(UTC)
    assert "one is extended until " in dind("extend", "one", "8h")

    def kept() -> datetime:
        text = (space.environment() or {})["metadata"]["annotations"]["dind.dev/extend-until"]
        return datetime.fromisoformat(text)

    first = kept()
    assert timedelta(hours=8) - timedelta(seconds=2) <= first - before <= timedelta(hours=8, minutes=1)
    assert "Nothing was changed" in dind("extend", "one", "2h")
    assert kept() == first
    dind("extend", "one", "2040-01-31T18:00:00Z")
    assert kept() == datetime(2040, 1, 31, 18, tzinfo=UTC)
    space.wait_status(lifetime={"expiresAt": "2040-01-31T18:00:00Z"})
    dind("extend", "one", "--remove")
    assert "dind.dev/extend-until" not in ((space.environment() or {})["metadata"].get("annotations") or {})
    assert "must be a duration from now" in dind.refused(2, "extend", "one", "tomorrow")
    space.create("ever")
    assert "never expires" in dind("extend", "ever", "8h")


def test_a_file_is_created_and_what_it_holds_beside_it_is_refused(space: Space, dind: Plugin, tmp_path: Path) -> None:
    """Without an operator: what the API server alone says."""
    printed = dind("create", "one", "--memory=1Gi", "--dry-run=client")
    assert space.environment() is None
    file = tmp_path / "one.yaml"
    file.write_text(printed)
    dind("create", "-f", str(file), "--dry-run=server")
    assert space.environment() is None
    assert "one is created" in dind("create", "-f", str(file), "--no-wait")
    assert yaml.safe_load(printed)["spec"]["daemon"]["resources"]["limits"] == {"memory": "1Gi"}
    assert "already exists" in dind.refused(1, "create", "-f", str(file), "--no-wait")
    assert "is one, and NAME is two" in dind.refused(2, "create", "two", "-f", str(file))
    assert "exactly one DindEnvironment" in dind.refused(2, "create", "-f", "-", stdin="kind: Pod\n")


def test_what_the_api_server_refuses_is_a_sentence(space: Space, dind: Plugin) -> None:
    said = dind.refused(8, "create", "one", "--memory=plenty", "--no-wait")
    assert said.startswith("kubectl dind: the API server rejected one:\n  - spec.daemon.resources.limits")
    assert "must be a quantity: write a number without a sign and a suffix" in said
    assert "Invalid value" not in said
    said = dind.refused(8, "create", "one", "--ttl=soon", "--no-wait")
    assert "must be a duration: write a whole number above zero and m, h or d" in said
    assert space.environment() is None
    dind("create", "one", "--memory=1Gi", "--ttl=1h", "--no-wait")
    said = dind.refused(8, "create", "-f", "-", "--no-wait", stdin=yaml.safe_dump(_unknown_field()))
    assert "unknown field" in said


def _unknown_field() -> dict[str, Any]:
    metadata = {"name": "two"}
    return {
        "apiVersion": "dind.dev/v1alpha1",
        "kind": "DindEnvironment",
        "metadata": metadata,
        "spec": {"memory": "1Gi"},
    }


def test_report_is_the_operators(operator: RunningOperator, space: Space, kubelet: Kubelet, dind: Plugin) -> None:
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    found = yaml.safe_load(dind("report", "one", "-o", "yaml"))
    assert found["node"]["cgroups"] == "v1 with cpu, memory, pids"
    assert "there is no DindEnvironment none" in dind.refused(3, "report", "none")


def test_what_is_in_the_way_is_told_plainly_with_its_own_exit_code(
    space: Space, dind: Plugin, plane: ControlPlane, tmp_path: Path, limited: Callable[[list[dict[str, Any]]], Path]
) -> None:
    space.create()
    assert dind("list", "-o", "name")
    for command in (("wait", "none"), ("env", "none"), ("suspend", "none"), ("extend", "none", "8h"), ("logs", "none")):
        assert "there is no DindEnvironment none in the namespace" in dind.refused(3, *command), command
    nobody = Plugin(tmp_path / "nobody", limited([]), space.name)
    for command in (("list",), ("wait", "one"), ("create", "two", "--no-wait"), ("delete", "one"), ("env", "one")):
        assert "not permitted" in nobody.refused(4, *command), command
    absent = Plugin(tmp_path / "absent", tmp_path / "no-such-file", space.name)
    assert "cluster" in absent.refused(5, "list")
    dead = tmp_path / "dead.kubeconfig"
    dead.write_text(plane.kubeconfig.read_text().replace(plane.url, "https://127.0.0.1:1"))
    assert "the cluster cannot be reached" in Plugin(tmp_path / "dead", dead, space.name).refused(5, "list")
    assert "nowhere" in dind.refused(5, "list", "--context=nowhere")
    assert "No such command" in dind.refused(2, "frobnicate")


def test_env_needs_a_ready_endpoint_and_the_secret(
    operator: RunningOperator,
    space: Space,
    kubelet: Kubelet,
    dind: Plugin,
    tmp_path: Path,
    limited: Callable[[list[dict[str, Any]]], Path],
) -> None:
    space.create()
    space.create("closed", {"endpoint": {"enabled": False}})
    pod = space.wait_pod()
    assert "one is not ready" in dind.refused(6, "env", "one")
    kubelet.run(pod)
    kubelet.run(space.wait_pod("closed"))
    space.wait_reason("Ready")
    space.wait_reason("Ready", name="closed")
    dind("wait", "one", "--for=endpoint", "--timeout=60s")
    assert "closed has no endpoint" in dind.refused(7, "env", "closed")
    rules = [{"apiGroups": ["dind.dev"], "resources": ["dindenvironments"], "verbs": ["get"]}]
    reader = Plugin(tmp_path / "reader", limited(rules), space.name)
    assert "The Secret one-client contains the private key" in reader.refused(4, "env", "one")
    # With the Secret the next thing is needed: nothing serves a forwarded port here.
    secret = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one-client"], "verbs": ["get"]}
    holder = Plugin(tmp_path / "holder", limited([*rules, secret]), space.name)
    assert "not permitted" in holder.refused(4, "env", "one")
    assert [dind.left(), reader.left(), holder.left()] == [[], [], []], "no key is left behind"


def test_completion_knows_the_environments(space: Space, dind: Plugin) -> None:
    space.create("alpha")
    space.create("beta")
    done = dind.shell('kubectl_complete-dind wait $ns "a"')
    assert done.stdout == "alpha\n:4\n"
    done = dind.shell(f"kubectl __complete dind wait --namespace={space.name} ''")
    assert {"alpha", "beta"} <= set(done.stdout.split()), done.stderr


def test_what_has_expired_comes_back_when_it_is_extended(
    start: Operators, space: Space, kubelet: Kubelet, dind: Plugin
) -> None:
    """The clock goes on by two hours for the operator and the API server alike; the extension is by the real one."""
    clock = Clock()
    start(clock=clock, resync_seconds=OFTEN).wait_ready()
    space.create(spec={"lifetime": {"ttl": "1h"}})
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    clock.passed = timedelta(minutes=58)
    space.wait_event("ExpiresSoon")
    clock.passed = timedelta(hours=2)
    space.wait_reason("TTLExpired")
    kubelet.finish(space.wait_going())
    assert "kubectl dind extend one 8h" in dind.refused(7, "wait", "one")
    assert "has expired" in dind.refused(7, "resume", "one", "--no-wait")
    assert "one is extended until" in dind("extend", "one", "8h")
    out, _ = played(dind.start("wait", "one"), kubelet, space)
    assert out.startswith("one: ")
    assert space.pod() is not None
