"""The condition ImagesPreloaded, and what Ready says while images are pulled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import POD_UID, POLICY, environment, observed, running_pod

from dind_operator.api.conditions import ConditionStatus, ConditionType, Reason
from dind_operator.controller.decide import make_plan
from dind_operator.controller.pod_health import diagnose
from dind_operator.features.registry import condition as preload
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition
from dind_operator.state.node_reports import PreloadReport, preload_report
from dind_operator.state.observed import Observed

FIELDS = {"daemon": {"preload": ["golang:1.24", "base:7"]}}


def pulling_pod(*, ready: bool = False, started: bool = True) -> dict[str, Any]:
    pod = running_pod(FIELDS)
    pod["status"]["containerStatuses"][0] |= {"ready": ready, "started": started}
    if not ready:
        pod["status"]["conditions"] = [item for item in pod["status"]["conditions"] if item["type"] != "Ready"]
    return pod


def seen(pod: dict[str, Any], report: PreloadReport | None = None, **more: Any) -> Observed:
    return replace(observed(more.pop("env", environment(FIELDS)), pod), preload=report, **more)


def told_before(reason: str, *, uid: str = POD_UID) -> dict[str, Any]:
    item = {"type": "ImagesPreloaded", "status": "False", "reason": reason, "message": "told before"}
    item["lastTransitionTime"] = "2025-06-01T11:59:00Z"
    return environment(FIELDS) | {"status": {"podUID": uid, "restarts": 0, "conditions": [item]}}


def condition(found: Observed) -> Condition:
    part = preload.condition(found)
    assert part is not None
    return part


def test_without_images_there_is_none() -> None:
    assert preload.condition(observed(environment(), running_pod())) is None
    assert preload.condition(observed(environment(FIELDS), None)) is None
    assert not preload.pulling(running_pod())


def test_a_daemon_that_is_ready_has_them() -> None:
    part = condition(seen(pulling_pod(ready=True)))
    assert (part.status, part.reason) == (ConditionStatus.TRUE, Reason.IMAGES_PRELOADED)
    assert part.message == "2 of 2 images are pulled."


def test_before_the_daemon_answers_nobody_knows() -> None:
    assert condition(seen(pulling_pod(started=False))).reason is Reason.NOT_CHECKED


def test_progress_names_the_pods_own_images() -> None:
    part = condition(seen(pulling_pod(), PreloadReport(done=1, pulling=2)))
    assert (part.status, part.reason) == (ConditionStatus.FALSE, Reason.PRELOADING_IMAGES)
    assert part.message == "1 of 2 images are pulled; pulling base:7."


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("UntrustedCertificate", "spec.registry.caBundles"),
        ("NoTls", "spec.registry.insecureRegistries"),
        ("Denied", "spec.registry.pullSecret"),
        ("NotFound", "does not exist in the registry"),
        ("Unreachable", "cannot connect to the registry"),
        ("RateLimited", "limits the rate of pulls"),
        ("DiskFull", "larger volume in spec.storage"),
        ("UserOutsideNamespace", "0 to 65535 by default. Build the image with lower IDs"),
        ("Invented", "dockerd reports an error"),
    ],
)
def test_a_failure_is_told_with_the_remedy(kind: str, said: str) -> None:
    part = condition(seen(pulling_pod(), PreloadReport(done=1, failing=1, kind=kind)))
    assert part.reason is Reason.PRELOAD_FAILED
    assert part.message.startswith("The image golang:1.24 cannot be pulled: ")
    assert said in part.message
    assert part.message.endswith("The pull is retried. 1 of 2 images are pulled.")


def test_more_than_there_is_is_not_believed() -> None:
    assert "2 of 2" in condition(seen(pulling_pod(), PreloadReport(done=999, pulling=999))).message


def test_between_two_looks_it_stands_and_of_another_pod_it_does_not() -> None:
    assert condition(seen(pulling_pod(), env=told_before("PreloadFailed"))).message == "told before"
    other = condition(seen(pulling_pod(), env=told_before("PreloadFailed", uid="another")))
    assert (other.reason, other.message) == (Reason.PRELOADING_IMAGES, "dockerd responds and starts to pull 2 images.")


def test_logs_that_are_not_read_are_told() -> None:
    assert "not permitted to read pod logs" in condition(seen(pulling_pod(), reads_logs=False)).message


def test_a_daemon_that_was_ready_and_hangs_has_its_images() -> None:
    assert condition(seen(pulling_pod(), env=told_before("ImagesPreloaded"))).status is ConditionStatus.TRUE


def test_ready_says_what_is_waited_for_and_the_daemon_is_ready() -> None:
    pod = pulling_pod()
    found = seen(pod, PreloadReport(done=0, failing=2, kind="NotFound"))
    assessment = preload.assess(diagnose(pod, answered_before=False), found, pod)
    assert assessment.ready.reason is Reason.PRELOAD_FAILED
    assert assessment.warning
    assert assessment.conditions[ConditionType.DAEMON_READY].status is ConditionStatus.TRUE
    assert not preload.assess(diagnose(pod, answered_before=False), seen(pod), pod).warning


def test_with_its_images_a_daemon_that_does_not_answer_is_late_and_not_ready() -> None:
    pod = pulling_pod()
    found = seen(pod, env=told_before("ImagesPreloaded"))
    assessment = preload.assess(diagnose(pod, answered_before=False), found, pod)
    assert (assessment.ready.status, assessment.ready.reason) == (ConditionStatus.FALSE, Reason.DAEMON_NOT_READY)
    assert assessment.conditions[ConditionType.DAEMON_READY].reason is Reason.DAEMON_NOT_READY
    assert assessment.warning


def test_the_plan_stores_both_conditions() -> None:
    plan = make_plan(seen(pulling_pod(), PreloadReport(done=1, pulling=2)), POLICY)
    assert plan.status is not None
    told = {item["type"]: item["reason"] for item in plan.status["conditions"]}
    assert (told["Ready"], told["ImagesPreloaded"]) == ("PreloadingImages", "PreloadingImages")
    assert plan.actions == ()


@pytest.mark.parametrize(("started", "seconds"), [("11:59:50", 3), ("11:40:00", 60), ("11:50:00", 30)])
def test_the_log_is_looked_at_the_less_the_longer_it_takes(started: str, seconds: float) -> None:
    pod = pulling_pod()
    pods_state = pod["status"]["containerStatuses"][0]["state"]
    pods_state["running"]["startedAt"] = f"2025-06-01T{started}Z"
    assert pods.ran_for(pod, seen(pod).now) is not None
    assert preload.pause(seen(pod)) == seconds
    assert preload.pause(seen(pod, reads_logs=False)) is None
    assert preload.pause(seen(pulling_pod(ready=True))) is None


def test_the_log_gives_numbers_and_a_word_or_nothing() -> None:
    line = 'dind-preload {"version":1,"total":2,"done":1,"pulling":2,"failing":null,"kind":"None"}\n'
    assert preload_report("x\n" + line + "y\n") == PreloadReport(done=1, pulling=2)
    for forged in ('"done":-1', '"done":1,"kind":"Pay here: http://example.com"', '"done":1,"failing":0', '"done":"1"'):
        assert preload_report(f"dind-preload {{{forged}}}\n") is None
