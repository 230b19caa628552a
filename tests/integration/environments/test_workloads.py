"""Workloads before a real API server: what it stores of the pod, and that a run that is over stays over."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import Kubelet, _condition, _ended, now
from tests.integration.harness.paths import pods
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.client import ApiError, Object

from dind_operator.controller.api_errors import error_of


def spec(policy: str = "Never", **more: Any) -> Object:
    return {"workloads": {"containers": [{"name": "work", "image": "ci:1"}], "restartPolicy": policy, **more}}


def write(space: Space, pod: Object, phase: str, daemon: Object, work: Object) -> Object:
    """What a kubelet writes of the pod's other shape."""

    def status(name: str, state: Object) -> Object:
        running = "running" in state
        fields = {"name": name, "image": "i", "imageID": "", "restartCount": 0, "lastState": {}}
        return {**fields, "state": state, "ready": running, "started": running}

    both = "running" in daemon and "running" in work
    done = {"phase": phase, "startTime": now()} | {
        "initContainerStatuses": [status("mount-cgroups", _ended(0, "Completed", "")), status("daemon", daemon)],
        "containerStatuses": [status("work", work)],
        "conditions": [_condition("PodScheduled", True)]
        + [_condition(kind, both) for kind in ("Initialized", "ContainersReady", "Ready")],
    }
    return space.api.patch(f"{pods(space.name)}/{pod['metadata']['name']}/status", {"status": done})


def running() -> Object:
    return {"running": {"startedAt": now()}}


def run(space: Space, kubelet: Kubelet, pod: Object, code: int) -> Object:
    """From unscheduled to the end of the workload and the daemon after it."""
    write(space, kubelet.bind(pod), "Running", running(), running())
    space.wait_reason("Ready")
    return end(space, pod, code)


def end(space: Space, pod: Object, code: int) -> Object:
    ended = _ended(code, "Error" if code else "Completed", "")
    return write(space, pod, "Failed" if code else "Succeeded", _ended(0, "Completed", ""), ended)


def test_the_api_server_stores_a_sidecar_with_probes_and_restricted_workloads(
    operator: RunningOperator, space: Space
) -> None:
    space.create(spec=spec("OnFailure", dockerCli=True, workspace={"sizeLimit": "1Gi"}))
    pod = space.wait_pod()["spec"]
    first, daemon = pod["initContainers"]
    assert (first["name"], daemon["name"], daemon["restartPolicy"]) == ("mount-cgroups", "daemon", "Always")
    assert "restartPolicy" not in first
    assert daemon["startupProbe"]["periodSeconds"] == 1
    (work,) = pod["containers"]
    assert (work["name"], pod["restartPolicy"]) == ("work", "OnFailure")
    assert {"name": "DOCKER_HOST", "value": "unix:///run/dind/docker.sock"} in work["env"]
    paths = [mount["mountPath"] for mount in work["volumeMounts"]]
    assert paths[:2] == ["/run/dind", "/workspace"]
    assert pod["automountServiceAccountToken"] is False


def test_success_and_failure_are_told_with_codes(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    for name, code, phase, reason in (
        ("one", 0, "Succeeded", "WorkloadsSucceeded"),
        ("two", 3, "Failed", "WorkloadsFailed"),
    ):
        space.create(name, spec())
        pod = space.wait_pod(name)
        write(space, kubelet.bind(pod), "Running", running(), running())
        assert space.wait_reason("Ready", name=name)["status"] == "True"
        assert space.wait_reason("WorkloadsRunning", "WorkloadsSucceeded", name)["status"] == "Unknown"
        end(space, pod, code)
        assert space.wait_told(reason, name)["status"] == "False"
        status = space.wait_status(name, phase=phase)
        (told,) = status["workloads"]["containers"]
        assert (told["name"], told["exitCode"]) == ("work", code)
        assert status["workloads"]["result"] == reason


def test_what_is_over_is_over_for_the_next_operator_and_without_its_pod(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    first = start().wait_ready()
    space.create(spec=spec())
    pod = space.wait_pod()
    run(space, kubelet, pod, 0)
    space.wait_told("WorkloadsSucceeded")
    first.stop()
    before = space.status()["workloads"]
    # While there is no operator its pod goes, and nothing tells the next one of it.
    kubelet.finish(pod)
    start().wait_ready()
    space.create("two", spec())
    space.wait_pod("two")
    assert space.pod() is None
    assert space.status()["workloads"] == before
    # Another spec is another run.
    space.change({"workloads": {"run": 2}})
    again = space.wait_pod(other_than=pod)
    run(space, kubelet, again, 3)
    space.wait_told("WorkloadsFailed")


def test_a_pod_that_is_deleted_in_its_run_fails_it_once(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    for name, policy in (("one", "Never"), ("two", "OnFailure")):
        space.create(name, spec(policy))
        pod = space.wait_pod(name)
        write(space, kubelet.bind(pod), "Running", running(), running())
        space.wait_reason("WorkloadsRunning", "WorkloadsSucceeded", name)
        space.api.delete(f"{pods(space.name)}/{name}")
        space.wait_going(name)
        kubelet.finish(pod)
        if policy == "Never":
            assert "increase spec.workloads.run" in space.wait_told("WorkloadsLost", name)["message"]
            assert space.pod(name) is None
        else:
            space.wait_pod(name, other_than=pod)


def test_a_suspended_run_begins_anew(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create(spec=spec())
    pod = space.wait_pod()
    write(space, kubelet.bind(pod), "Running", running(), running())
    space.wait_reason("WorkloadsRunning", "WorkloadsSucceeded")
    space.change({"operatingMode": "Suspended"})
    space.wait_going()
    # Resumed before the old pod is gone: nobody calls that a loss.
    space.wait_reason("Suspending")
    space.change({"operatingMode": "Running"})
    space.wait_reason("Terminating")
    kubelet.finish(pod)
    space.wait_pod(other_than=pod)


def test_a_server_that_knows_no_sidecars_says_so_in_words_that_are_understood(
    operator: RunningOperator, space: Space, api: Api
) -> None:
    """Without the field that an older one drops, this very server refuses the pod as that one would."""
    space.create(spec=spec())
    pod = space.wait_pod()
    made: Object = {"metadata": {"name": "old"}, "spec": pod["spec"]}
    assert api.create(f"{pods(space.name)}?dryRun=All", made)
    del made["spec"]["initContainers"][1]["restartPolicy"]
    with pytest.raises(ApiError) as refused:
        api.create(f"{pods(space.name)}?dryRun=All", made)
    error = error_of(refused.value.code, {"message": refused.value.text})
    assert error.reason == "SidecarsUnsupported"
