"""Tools that wait for any resource wait for environments, too: Helm 4 and kubectl, each a real program."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.argocd import health
from tests.cluster.controlplane import ControlPlane
from tests.helm import Helm
from tests.integration.environments.conftest import Operators
from tests.integration.environments.test_lifetimes import OVER, TTL, WARNING, Clock, warned
from tests.integration.environments.test_workloads import end, running, spec, write
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import Space
from tests.kubectl import Kubectl

FORBIDDING = {"modes": ["UserNamespace"]}
TIMEOUT_SECONDS = 100


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart of a user with one environment in it."""
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(yaml.safe_dump({"apiVersion": "v2", "name": "builds", "version": "1.0.0"}))
    environment: dict[str, Any] = {
        "apiVersion": "dind.dev/v1alpha1",
        "kind": "DindEnvironment",
        "metadata": {"name": "one"},
        "spec": {"endpoint": {"enabled": False}},
    }
    (folder / "templates" / "environment.yaml").write_text(yaml.safe_dump(environment))
    return folder


def install(helm: Helm, plane: ControlPlane, space: Space, chart: Path) -> tuple[int, str, float]:
    """The exit code, what was printed, and how long it took."""
    begin = time.monotonic()
    wait = ("--wait", f"--timeout={TIMEOUT_SECONDS}s")
    at = replace(helm, kubeconfig=plane.kubeconfig)
    done = at.run(
        "install", "builds", chart, "--namespace", space.name, *wait, check=False, timeout=TIMEOUT_SECONDS + 20
    )
    return done.returncode, done.stdout + done.stderr, time.monotonic() - begin


def test_helm_waits_until_the_daemon_can_be_used(
    start: Operators, plane: ControlPlane, helm: Helm, space: Space, kubelet: Kubelet, chart: Path
) -> None:
    start().wait_ready()
    with ThreadPoolExecutor(1) as beside:
        helms = beside.submit(install, helm, plane, space, chart)
        pod = space.wait_pod()
        assert not helms.done()
        kubelet.run(pod)
        code, said, _ = helms.result()
    assert code == 0, said
    assert space.condition()["status"] == "True"


def test_helm_learns_at_once_that_an_environment_is_refused(
    start: Operators, plane: ControlPlane, helm: Helm, space: Space, chart: Path
) -> None:
    start(policy_rules=FORBIDDING).wait_ready()
    code, said, seconds = install(helm, plane, space, chart)
    assert code != 0
    assert "builds" in said or "one" in said
    assert seconds < TIMEOUT_SECONDS / 2, "without the condition Helm waits until its timeout"


@pytest.mark.parametrize("code", [0, 3])
def test_kubectl_waits_for_workloads_whatever_becomes_of_them(
    start: Operators, plane: ControlPlane, space: Space, kubelet: Kubelet, tmp_path: Path, code: int
) -> None:
    start().wait_ready()
    space.create(spec=spec())
    pod = space.wait_pod()
    write(space, kubelet.bind(pod), "Running", running(), running())
    space.wait_reason("Ready")
    kubectl = Kubectl(plane.kubeconfig, tmp_path / "kubectl")
    line = ("wait", "--namespace", space.name, "dind/one", "--for=condition=Finished", "--timeout=60s")
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(kubectl, *line, timeout=90)
        end(space, pod, code)
        assert "condition met" in waiting.result()
    assert space.condition("Finished")["reason"] == ("WorkloadsFailed" if code else "WorkloadsSucceeded")
    assert [item["type"] for item in space.status()["conditions"] if item["type"] == "Stalled"] == ["Stalled"] * bool(
        code
    )


def test_argo_cd_tells_what_can_be_used_from_what_starts_and_what_does_not_work(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    """The check of docs/waiting.md, for objects as the API server has them."""
    unseen = space.create("unseen")
    assert health(unseen) == ("Progressing", "The operator has not processed this spec yet.")
    start(policy_rules={"images": ["allowed/*"]}).wait_ready()
    space.wait_reason("PodPending", name="unseen")
    assert health(space.environment("unseen"))[0] == "Progressing"
    kubelet.run(space.wait_pod("unseen"))
    space.wait_reason("Ready", name="unseen")
    current = space.environment("unseen") or {}
    assert health(current) == ("Healthy", space.condition(name="unseen")["message"])
    # A new spec, of which the operator knows nothing yet.
    newer = {**current["metadata"], "generation": current["metadata"]["generation"] + 1}
    assert health({**current, "metadata": newer})[0] == "Progressing"

    space.create("refused", {"daemon": {"image": "other:1"}})
    space.wait_reason("PolicyViolation", name="refused")
    status, message = health(space.environment("refused"))
    assert status == "Degraded"
    assert "spec.daemon.image other:1 is not allowed" in message
    # A pod that goes on by an older spec is Ready.
    space.change({"daemon": {"image": "other:1"}}, "unseen")
    space.wait_reason("PolicyViolation", "UpToDate", name="unseen")
    assert space.condition(name="unseen")["status"] == "True"
    assert health(space.environment("unseen"))[0] == "Degraded"

    space.create("suspended", {"operatingMode": "Suspended"})
    space.wait_reason("Suspended", name="suspended")
    assert health(space.environment("suspended"))[0] == "Healthy"

    for code, expected in ((0, "Healthy"), (3, "Degraded")):
        name = f"job-{code}"
        space.create(name, {"workloads": {"containers": [{"name": "work", "image": "allowed/ci:1"}]}})
        pod = space.wait_pod(name)
        write(space, kubelet.bind(pod), "Running", running(), running())
        space.wait_reason("Ready", name=name)
        assert health(space.environment(name))[0] == "Healthy"
        end(space, pod, code)
        space.wait_reason("WorkloadsFailed" if code else "WorkloadsSucceeded", name=name)
        assert health(space.environment(name)) == (expected, space.condition(name=name)["message"])


def test_argo_cd_tells_an_expired_environment_from_one_that_is_to_be_suspended(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    clock = Clock()
    start(resync_seconds=OFTEN, clock=clock).wait_ready()
    space.create(spec=TTL)
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    clock.passed = WARNING
    warned(space)
    clock.passed = OVER
    kubelet.finish(space.wait_going())
    space.wait_reason("TTLExpired")
    space.wait_status(phase="Suspended")
    assert health(space.environment()) == ("Suspended", space.condition()["message"])
