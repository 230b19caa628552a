"""A node that cannot give a profile: told with the profile, the node and what to do, in the words of both who may notice."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import NODE, container, failed_pod, init_done, scheduled, set_containers, terminated

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import Phase
from dind_operator.controller.pod_health import diagnose
from dind_operator.state.pod_failures import failure_of, pod_failure

CONFINED = {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind"}}}
# As containerd 1.6 to 2.1 and runc say it.
CONTAINERD = "failed to generate spec opts: failed to generate apparmor spec opts: apparmor profile not found dind"
RUNC = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to "
    "start container process: error during container init: unable to apply apparmor profile: apparmor failed to apply profile: "
    "write fsmount:fscontext:proc/thread-self/attr/apparmor/exec: no such file or directory"
)


def create_error(message: str) -> dict[str, Any]:
    return {"waiting": {"reason": "CreateContainerError", "message": message}}


@pytest.mark.parametrize(
    "status",
    [
        container("mount-cgroups", create_error(CONTAINERD)),
        container("mount-cgroups", terminated(128, RUNC, reason="StartError")),
        container("mount-cgroups", create_error("x"), lastState=terminated(128, RUNC, reason="StartError")),
        container("daemon", create_error(CONTAINERD)),
        container("daemon", terminated(128, RUNC, reason="StartError"), restartCount=2),
    ],
)
def test_a_profile_that_the_runtime_does_not_find(status: dict[str, Any]) -> None:
    init, daemon = (status, None) if status["name"] == "mount-cgroups" else (init_done(), status)
    pod = set_containers(scheduled(objects.pod(CONFINED)), init, daemon)
    assessment = diagnose(pod, answered_before=False)
    assert (assessment.ready.reason, assessment.phase) == (Reason.APPARMOR_UNAVAILABLE, Phase.FAILED)
    assert f"profile dind is not loaded on the node {NODE}" in assessment.ready.message
    for remedy in ("apparmor.load.enabled", "spec.scheduling", "spec.security.appArmorProfile"):
        assert remedy in assessment.ready.message
    assert assessment.conditions[ConditionType.DAEMON_READY].reason == Reason.APPARMOR_UNAVAILABLE
    ended = failure_of(pod)
    assert ended is None or (ended.reason, ended.message) == (Reason.APPARMOR_UNAVAILABLE, assessment.ready.message)


@pytest.mark.parametrize("message", ["exec: /dind/entrypoint: not found", "apparmor is fine, the image was not found"])
def test_another_error_of_the_runtime_is_not_taken_for_it(message: str) -> None:
    pod = set_containers(scheduled(objects.pod(CONFINED)), container("mount-cgroups", create_error(message)), None)
    assessment = diagnose(pod, answered_before=False)
    assert assessment.ready.reason == Reason.POD_FAILED
    assert message in assessment.ready.message


@pytest.mark.parametrize(
    ("profile", "named"),
    [({"type": "Localhost", "localhostProfile": "dind"}, "profile dind."), ({"type": "RuntimeDefault"}, "runtime/default")],
)  # fmt: skip
def test_a_node_without_apparmor(profile: dict[str, str], named: str) -> None:
    said = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
    failure = pod_failure(failed_pod("AppArmor", said, {"security": {"appArmorProfile": profile}}))
    assert failure.reason == Reason.APPARMOR_UNAVAILABLE
    assert named in failure.message
    assert NODE in failure.message
    assert failure.message.endswith(said)
    # An API server before 1.30 keeps the annotation alone.
    old = failed_pod("AppArmor", said, {"security": {"appArmorProfile": profile}})
    for item in [*old["spec"]["initContainers"], *old["spec"]["containers"]]:
        del item["securityContext"]["appArmorProfile"]
    assert pod_failure(old) == failure
