"""A daemon that ends: which word status has for it, and what of a tenant's text never gets there."""

import json
from typing import Any

import pytest
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space

TENANT = "tenant-text-4711"
"""Stands in every message a container leaves; status must never have it."""


def left(tail: str, code: int = 1, **more: Any) -> str:
    """A termination message of the daemon's wrapper."""
    return json.dumps({"version": 1, "docker": "26.1.5", "exitCode": code, "tail": f"{tail} {TENANT}", **more})


@pytest.mark.parametrize(
    ("message", "code", "ended", "reason"),
    [
        (left("unable to configure the Docker daemon with file x: unknown key"), 1, "Error", "InvalidDaemonConfig"),
        (left("unknown flag: --frobnicate"), 125, "Error", "InvalidDaemonConfig"),
        (left("error initializing graphdriver: driver not supported"), 1, "Error", "StorageDriverFailed"),
        (left("write /var/lib/docker/x: no space left on device"), 1, "Error", "DiskFull"),
        (left("failed to start daemon: Error initializing network controller"), 1, "Error", "NetworkSetupFailed"),
        (left("failed to start daemon: something new"), 1, "Error", "DaemonCrashLoop"),
        (left("anything", 137), 137, "OOMKilled", "OutOfMemory"),
        (f"{TENANT} is no JSON", 2, "Error", "DaemonCrashLoop"),
        (json.dumps({"reason": TENANT, "exitCode": TENANT, "docker": [TENANT]}), 1, "Error", "DaemonCrashLoop"),
    ],
    ids=["config", "flag", "storage", "disk", "network", "unknown", "memory", "no-json", "wrong-types"],
)
def test_a_crash_loop_has_a_word(
    operator: RunningOperator,
    space: Space,
    kubelet: Kubelet,
    message: str,
    code: int,
    ended: str,
    reason: str,
) -> None:
    """Ready=False with the classified reason, the exit code and the restarts; the pod stays, its text stays in it."""
    space.create()
    pod = kubelet.start(kubelet.check(kubelet.bind(space.wait_pod())))
    kubelet.crash(pod, code, message, restarts=3, reason=ended)
    assert space.wait_reason(reason)["status"] == "False"
    assert space.wait_reason(reason, "DaemonReady")["status"] == "False"
    status = space.wait_status(phase="Failed", restarts=3)
    assert status["lastFailure"]["exitCode"] == code
    assert status["lastFailure"]["reason"] in (reason, "DaemonFailed")
    assert TENANT not in json.dumps(space.environment())
    assert TENANT not in json.dumps(space.events())
    assert operator.proxy.count(on("delete", "pods")) == 0


def test_words_do_not_flicker(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Between two failures of a loop the container runs; Ready keeps its reason and its time, and no Event is added."""
    space.create()
    pod = kubelet.start(kubelet.check(kubelet.bind(space.wait_pod())))
    message = left("no space left on device")
    pod = kubelet.crash(pod, 1, message, restarts=2)
    first = space.wait_reason("DiskFull")
    pod = kubelet.crash(pod, 1, message, restarts=3, looping=False)
    space.wait_status(restarts=3)
    pod = kubelet.crash(pod, 1, message, restarts=4)
    space.wait_status(restarts=4)
    now = space.condition()
    assert (now["reason"], now["lastTransitionTime"]) == (first["reason"], first["lastTransitionTime"])
    assert [event["reason"] for event in space.events()] == ["DiskFull"]


def test_a_daemon_that_recovers_is_ready_again(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """A restart is counted, its cause is kept in lastFailure, and Docker's version is read anew."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    pod = kubelet.crash(pod, 137, left("", 137), restarts=1, looping=False)
    space.wait_status(phase="Recovering", restarts=1)
    kubelet.ready(pod, {"version": 1, "serverVersion": "28.5.0", "storageDriver": "overlay2"})
    status = space.wait_status(phase="Running", restarts=1)
    assert status["lastFailure"]["exitCode"] == 137
    assert status["docker"]["serverVersion"] == "28.5.0"
    assert space.pod() is not None


def test_a_busy_daemon_is_told_and_left_alone(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Not ready after it was ready, and running: Ready is False, and nothing is deleted."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    kubelet.busy(pod)
    assert space.wait_reason("DaemonNotReady")["status"] == "False"
    assert operator.proxy.count(on("delete", "pods")) == 0


def test_a_lying_log_is_not_believed(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """What the container's log says is parsed into words; a sentence, markup or a number out of bounds is dropped."""
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.create("two")
    pod = kubelet.start(kubelet.check(kubelet.bind(space.wait_pod("two"))))
    kubelet.ready(pod, {"version": 1, "serverVersion": f"<script>{TENANT}</script>", "storageDriver": "x" * 5000})
    space.wait_reason("Ready", name="two")
    assert "docker" in space.status()
    assert "docker" not in space.status("two")
    assert TENANT not in json.dumps(space.environment("two"))


@pytest.mark.parametrize(
    ("waits", "message", "reason"),
    [
        ("ErrImagePull", "not found", "ImagePullFailed"),
        ("CreateContainerError", "context deadline exceeded", "PodFailed"),
    ],
)
def test_a_container_that_cannot_be_made(
    operator: RunningOperator, space: Space, kubelet: Kubelet, waits: str, message: str, reason: str
) -> None:
    """The kubelet's own sentence is told with what to correct; the pod is left to the kubelet, which keeps trying."""
    space.create(spec={"daemon": {"image": "images.test/none:1"}})
    pod = kubelet.check(kubelet.bind(space.wait_pod()))
    pod = kubelet.waits(pod, waits, message)
    assert message in space.wait_reason(reason)["message"]
    kubelet.ready(kubelet.start(pod))
    space.wait_reason("Ready")
    assert operator.proxy.count(on("delete", "pods")) == 0
