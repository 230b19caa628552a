"""What becomes of an environment when its workloads end, and what is no end of theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import (
    NOW,
    POLICY,
    condition,
    container,
    environment,
    init_done,
    model,
    node,
    observed,
    scheduled,
    terminated,
)

from dind_operator.api.conditions import format_time
from dind_operator.controller.actions import CreatePod, DeletePod, Plan
from dind_operator.controller.decide import make_plan
from dind_operator.features.policy.rules import PolicyRules
from dind_operator.features.workloads import condition as workloads
from dind_operator.pod.spec_hash import intent_hash
from dind_operator.state import pod_status as pods
from dind_operator.state.observed import Policy

TWO = [{"name": "build", "image": "ci:1"}, {"name": "lint", "image": "ci:1"}]
RUNNING = {"running": {"startedAt": "2025-06-01T11:59:20Z"}}
Pod = dict[str, Any]


def spec(policy: str = "Never", **more: Any) -> dict[str, Any]:
    given = {key: more.pop(key) for key in ("run",) if key in more}
    return {"workloads": {"containers": TWO, "restartPolicy": policy, **given}, **more}


def end(code: int, reason: str = "", finished: str = "2025-06-01T11:59:40Z") -> dict[str, Any]:
    return terminated(code, reason=reason or ("Completed" if code == 0 else "Error"), finished=finished)


def made(fields: dict[str, Any], *states: dict[str, Any], phase: str = "Running", ready: bool = True) -> Pod:
    """A pod of that spec whose daemon answers, with the states of its workloads."""
    pod = scheduled(objects.pod(fields))
    daemon = {"running": {"startedAt": "2025-06-01T11:59:05Z"}} if phase == "Running" else end(0)
    pod["status"] |= {
        "phase": phase,
        "initContainerStatuses": [
            init_done(),
            container("daemon", daemon, ready=phase == "Running", started=phase == "Running"),
        ],
        "containerStatuses": [
            container(item["name"], state, ready="running" in state) for item, state in zip(TWO, states, strict=True)
        ],
    }
    kinds = {"Ready": ready, "ContainersReady": ready}
    pod["status"]["conditions"] += [
        {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": "2025-06-01T11:59:30Z"}
        for kind, holds in kinds.items()
    ]
    return pod


def ended_pod(fields: dict[str, Any], *codes: int) -> Pod:
    phase = "Failed" if any(codes) else "Succeeded"
    return made(fields, *(end(code) for code in codes), phase=phase, ready=False)


def told(plan: Plan) -> tuple[str, str, str]:
    ready = condition(plan.status, "Ready")
    assert plan.status is not None
    return plan.status["phase"], ready["status"], ready["reason"]


def env(fields: dict[str, Any], plan: Plan | None = None, **metadata: Any) -> dict[str, Any]:
    found = environment(fields, **metadata)
    return {**found, "status": plan.status} if plan is not None else found


def see(fields: dict[str, Any], pod: Pod | None, before: Plan | None = None, **metadata: Any) -> Plan:
    return make_plan(observed(env(fields, before, **metadata), pod, node=node() if pod else None), POLICY)


# While they run


def test_a_daemon_that_answers_beside_workloads_is_ready() -> None:
    plan = see(spec(), made(spec(), RUNNING, RUNNING))
    assert told(plan) == ("Running", "True", "Ready")
    assert condition(plan.status, "WorkloadsSucceeded")["reason"] == "WorkloadsRunning"
    assert plan.status is not None
    assert plan.status["daemonImage"] == objects.SETTINGS.daemon_image
    assert "docker" not in plan.status
    assert plan.status["restarts"] == 0
    assert [item["name"] for item in plan.status["workloads"]["containers"]] == ["build", "lint"]
    assert plan.actions == ()


def test_one_that_has_ended_makes_no_lost_node_of_the_other_ones_pod() -> None:
    plan = see(spec(), made(spec(), end(0), RUNNING, ready=False))
    assert told(plan) == ("Running", "True", "Ready")
    lost = made(spec(), RUNNING, RUNNING)
    next(item for item in lost["status"]["conditions"] if item["type"] == "Ready")["status"] = "False"
    assert told(see(spec(), lost))[2] == "NodeLost"


def test_one_that_cannot_start_is_told_and_the_daemon_goes_on() -> None:
    stuck = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "login" not found'}}
    plan = see(spec(), made(spec(), stuck, RUNNING, ready=False))
    assert told(plan) == ("Running", "True", "Ready")
    found = condition(plan.status, "WorkloadsSucceeded")
    assert (found["status"], found["reason"]) == ("False", "WorkloadCannotStart")
    assert 'the workload build: secret "login" not found. Correct' in found["message"]


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_no_run_is_broken_off_for_a_certificate(policy: str) -> None:
    fields = spec(policy)
    server = replace(objects.CREDENTIALS.server, authority="c" * 16, certificate="d" * 16)
    other = replace(objects.CREDENTIALS, server=server, issued=NOW)

    def renewed(fields: dict[str, Any]) -> Plan:
        pod = made(fields, RUNNING, RUNNING)
        pods.daemon_container(pod)["env"].append({"name": "DIND_CREDENTIALS", "value": objects.CREDENTIALS.server.text})
        return make_plan(observed(env(fields), pod, endpoint=objects.EndpointState(other)), POLICY)

    assert renewed(fields).actions == ()
    assert "running workloads" in condition(renewed(fields).status, "EndpointReady")["message"]
    assert [type(action) for action in renewed(spec("Always")).actions] == [DeletePod]


# Their end


@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
def test_when_all_have_succeeded_the_environment_has(policy: str) -> None:
    plan = see(spec(policy), ended_pod(spec(policy), 0, 0))
    assert told(plan) == ("Succeeded", "False", "WorkloadsSucceeded")
    assert condition(plan.status, "WorkloadsSucceeded")["status"] == "True"
    assert [(event.reason, event.warning) for event in plan.events] == [("WorkloadsSucceeded", False)]
    assert plan.actions == ()
    assert plan.status is not None
    assert "lastFailure" not in plan.status
    assert plan.status["workloads"]["result"] == "WorkloadsSucceeded"
    assert plan.status["workloads"]["finishedAt"] == "2025-06-01T11:59:40Z"


def test_another_exit_code_fails_it_and_is_told() -> None:
    plan = see(spec(), ended_pod(spec(), 3, 0))
    assert told(plan) == ("Failed", "False", "WorkloadsFailed")
    assert "build exited with code 3 (Error)." in condition(plan.status, "Ready")["message"]
    assert [(event.reason, event.warning) for event in plan.events] == [("WorkloadsFailed", True)]
    assert plan.status is not None
    assert [item["exitCode"] for item in plan.status["workloads"]["containers"]] == [3, 0]


@pytest.mark.parametrize("codes", [(0, 0), (3, 0)])
def test_what_is_over_is_not_made_again_whoever_removes_the_pod(codes: tuple[int, int]) -> None:
    first = see(spec(), ended_pod(spec(), *codes))
    for pod in (ended_pod(spec(), *codes), None):
        again = see(spec(), pod, first)
        assert again.actions == ()
        assert told(again) == told(first)
        assert again.status is not None
        assert first.status is not None
        assert again.status["workloads"] == first.status["workloads"]
    # Without that status it is a pod that has not been made.
    assert [type(action) for action in see(spec(), None).actions] == [CreatePod]


def test_the_installations_policy_says_nothing_of_what_is_over() -> None:
    policy = Policy(objects.SETTINGS, policy_rules=PolicyRules(images=("other:1",)))
    asked = spec(daemon={"image": "mine:1"})
    assert told(make_plan(observed(env(asked), ended_pod(asked, 0, 0)), policy))[0] == "Succeeded"
    assert told(make_plan(observed(env(asked), None), policy))[2] == "PolicyViolation"


# A new spec


@pytest.mark.parametrize("change", [{"run": 2}, {"daemon": {"logLevel": "Debug"}}])
def test_another_spec_is_another_run(change: dict[str, Any]) -> None:
    pod = ended_pod(spec(), 0, 0)
    first = see(spec(), pod)
    removed = see(spec(**change), pod, first, generation=2)
    assert [type(action) for action in removed.actions] == [DeletePod]
    assert told(removed)[2] == "SpecChanged"
    assert removed.status is not None
    assert "lastFailure" not in removed.status
    assert [type(action) for action in see(spec(**change), None, removed, generation=2).actions] == [CreatePod]


def test_with_on_delete_another_run_waits_for_the_pods_deletion() -> None:
    fields = spec(run=2, updatePolicy="OnDelete")
    pod = ended_pod(spec(), 0, 0)
    waits = see(fields, pod, see(spec(), pod), generation=2)
    assert waits.actions == ()
    assert told(waits)[0] == "Succeeded"
    assert condition(waits.status, "UpToDate")["reason"] == "SpecChanged"
    assert [type(action) for action in see(fields, None, waits, generation=2).actions] == [CreatePod]


def test_a_run_that_a_new_spec_breaks_off_is_no_loss_not_even_when_the_change_is_taken_back_later() -> None:
    before = see(spec(), made(spec(), RUNNING, RUNNING))
    going = made(spec(), end(143), RUNNING, ready=False)
    going["metadata"]["deletionTimestamp"] = format_time(NOW)
    terminating = see(spec(run=2), going, before, generation=2)
    gone = see(spec(run=2), None, terminating, generation=2)
    assert [type(action) for action in gone.actions] == [CreatePod]
    assert gone.status is not None
    assert "workloads" not in gone.status


def test_a_pod_that_has_ended_and_is_deleted_is_followed_by_none() -> None:
    first = see(spec(), ended_pod(spec(), 0, 0))
    going = ended_pod(spec(), 0, 0)
    going["metadata"]["deletionTimestamp"] = format_time(NOW)
    assert told(see(spec(), going, first)) == told(first)


# Suspension


def test_suspended_and_resumed_what_was_over_is_over_and_what_was_not_runs_anew() -> None:
    for pod, then in ((ended_pod(spec(), 0, 0), []), (made(spec(), RUNNING, RUNNING), [CreatePod])):
        going = see(spec(operatingMode="Suspended"), pod, see(spec(), pod))
        assert [type(action) for action in going.actions] == [DeletePod]
        assert going.status is not None
        assert "lastFailure" not in going.status
        resting = see(spec(operatingMode="Suspended"), None, going)
        assert told(resting)[0] == "Suspended"
        assert [type(action) for action in see(spec(), None, resting).actions] == then


# A pod that is lost


def evicted(pod: Pod) -> None:
    pod["status"] |= {"phase": "Failed", "reason": "Evicted"}


def disrupted(pod: Pod) -> None:
    pod["status"]["phase"] = "Failed"
    pod["status"]["conditions"].append({"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"})


def unknown(pod: Pod) -> None:
    pod["status"]["phase"] = "Failed"
    pod["status"]["containerStatuses"][0]["state"] = end(137, "ContainerStatusUnknown")


@pytest.mark.parametrize("lose", [evicted, disrupted, unknown])
def test_a_pod_that_is_lost_fails_a_run_that_may_be_only_once_and_is_replaced_otherwise(
    lose: Callable[[Pod], None],
) -> None:
    for policy in ("Never", "OnFailure"):
        pod = made(spec(policy), end(143), end(0), ready=False)
        lose(pod)
        plan = see(spec(policy), pod)
        if policy == "Never":
            assert told(plan) == ("Failed", "False", "WorkloadsLost")
            assert plan.actions == ()
            assert plan.status is not None
            assert plan.status["lastFailure"]["podUID"] == pods.uid(pod)
        else:
            assert [type(action) for action in plan.actions] == [DeletePod]
            assert plan.status is not None
            assert "result" not in plan.status["workloads"]


@pytest.mark.parametrize(("policy", "then"), [("Never", []), ("OnFailure", [CreatePod]), ("Always", [CreatePod])])
def test_a_pod_that_was_deleted_while_they_ran(policy: str, then: list[type]) -> None:
    before = see(spec(policy), made(spec(policy), RUNNING, RUNNING))
    going = made(spec(policy), end(143), RUNNING, ready=False)
    going["metadata"]["deletionTimestamp"] = format_time(NOW)
    terminating = see(spec(policy), going, before)
    after = see(spec(policy), None, terminating)
    assert [type(action) for action in after.actions] == then
    if not then:
        assert told(after) == ("Failed", "False", "WorkloadsLost")
        assert "increase spec.workloads.run" in condition(after.status, "Ready")["message"]
        assert told(see(spec(policy), None, after)) == told(after)


def test_a_pod_that_is_lost_before_any_has_started_is_made_again() -> None:
    pending = {"waiting": {"reason": "PodInitializing"}}
    before = see(spec(), made(spec(), pending, pending, ready=False))
    assert condition(before.status, "WorkloadsSucceeded")["reason"] == "WorkloadsPending"
    assert [type(action) for action in see(spec(), None, before).actions] == [CreatePod]
    failed = made(spec(), pending, pending, phase="Failed", ready=False)
    assert [type(action) for action in see(spec(), failed, before).actions] == [DeletePod]


def test_a_pod_that_is_not_to_be_seen_is_looked_for_before_a_run_is_called_lost() -> None:
    running = see(spec(), made(spec(), RUNNING, RUNNING))
    assert workloads.may_be_lost(env(spec(), running))
    assert not workloads.may_be_lost(env(spec(), see(spec(), ended_pod(spec(), 0, 0))))
    assert not workloads.may_be_lost(env({}))


def test_a_run_belongs_to_the_spec_that_its_pod_was_made_for() -> None:
    plan = see(spec(), ended_pod(spec(), 0, 0))
    assert plan.status is not None
    assert plan.status["workloads"]["intent"] == intent_hash(model(spec()).spec)


def test_an_end_that_never_began_has_no_start() -> None:
    pod = made(
        spec(),
        {"terminated": {**end(128, "StartError")["terminated"], "startedAt": "1970-01-01T00:00:00Z"}},
        end(0),
        phase="Failed",
        ready=False,
    )
    plan = see(spec(), pod)
    assert plan.status is not None
    assert plan.status["workloads"]["containers"][0] == {
        "name": "build",
        "exitCode": 128,
        "reason": "StartError",
        "finishedAt": "2025-06-01T11:59:40Z",
    }


@pytest.mark.parametrize(
    ("workspace", "fields", "said"),
    [
        (None, {}, ""),
        (None, {"workingDir": "/workspace"}, ""),
        (None, {"workingDir": "/workspace/app"}, ""),
        (None, {"workingDir": "/src"}, "The working directory /src of build is outside of the workspace /workspace:"),
        (None, {"workingDir": "/workspace-2"}, "is outside of the workspace /workspace:"),
        (None, {"workingDir": "/workspace/../src"}, "The working directory /src of build is outside"),
        ("/src", {"workingDir": "/src/a"}, ""),
        ("/src", {"workingDir": "/workspace"}, "/workspace of build is outside of the workspace /src:"),
        (None, {"volumeMounts": [{"name": "v", "mountPath": "/cache"}]}, ""),
        (
            "/src",
            {"volumeMounts": [{"name": "v", "mountPath": "/src/cache"}]},
            "The volume v of build at /src/cache hides a part of the workspace",
        ),
    ],
)
def test_what_nested_containers_do_not_see_is_told_while_they_run_and_when_they_have_failed(
    workspace: str | None, fields: dict[str, Any], said: str
) -> None:
    first = {**TWO[0], **fields}
    whole = spec()
    whole["workloads"] |= {"containers": [first, TWO[1]], "volumes": [{"name": "v", "emptyDir": {}}]}
    if workspace is not None:
        whole["workloads"]["workspace"] = {"path": workspace}
    made_of = made(whole, RUNNING, RUNNING)
    running = workloads.condition(observed(environment(whole), made_of))
    failed = workloads.condition(observed(environment(whole), ended_pod(whole, 1, 0)))
    succeeded = workloads.condition(observed(environment(whole), ended_pod(whole, 0, 0)))
    assert running is not None
    assert failed is not None
    assert succeeded is not None
    for part in (running, failed):
        assert (said in part.message) if said else ("mounts an empty directory" not in part.message)
    assert "mounts an empty directory" not in succeeded.message
