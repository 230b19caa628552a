"""A pod where there is none: made, made again after a failure, and not before its time has come. Pure.

How often and when is in status, so that it survives a restart of the operator.
"""

from dataclasses import replace
from typing import Any

from dind_operator.api.conditions import ConditionType, Reason, format_time
from dind_operator.api.spec import UpdatePolicy
from dind_operator.api.status import Phase
from dind_operator.api.timestamps import parse_time
from dind_operator.controller import backoff
from dind_operator.controller.actions import CreatePod, DeletePod, Plan
from dind_operator.controller.drift import update_wanted
from dind_operator.controller.events import say
from dind_operator.controller.status import failure_fields
from dind_operator.features.endpoint import condition as endpoint
from dind_operator.features.workloads import condition as workloads
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition, blocked, waiting
from dind_operator.state.observed import EndpointState, Observed
from dind_operator.state.pod_failures import Failure, pod_failure

SOON_SECONDS = 1.0
"""Until the next check of what the garbage collector is about to remove."""


def create(observed: Observed, desired: dict[str, Any]) -> Plan:
    """Make the pod, if its time has come and its endpoint is there."""
    old = observed.environment.get("status") or {}
    not_before = parse_time(old.get("recreateAfter"))
    if not_before is not None and not_before > observed.now and not _spec_changed(observed):
        failure = old.get("lastFailure") or {}
        message = (
            f"Pods that failed in a row: {old.get('recreations', 1)}. The reason of the last failure is "
            f"{failure.get('reason', 'unknown')}. The operator creates the next pod at {old['recreateAfter']}. "
            f"{failure.get('message', '')}"
        )
        assessment = replace(waiting(Phase.RECOVERING, Reason.BACKING_OFF, message), warning=True)
        seconds = (not_before - observed.now).total_seconds()
        return say(observed, assessment, extra=carried(observed), requeue_after=max(seconds, 0.1))
    state = observed.endpoint
    if state is not None and state.problem is not None and endpoint.guarded(observed.environment):
        return _without_endpoint(observed, state, state.problem)
    assessment = waiting(Phase.PENDING, Reason.POD_PENDING, "The pod waits for the scheduler.")
    return say(observed, assessment, actions=(CreatePod(desired),))


def _without_endpoint(observed: Observed, state: EndpointState, problem: Condition) -> Plan:
    """No pod is made that could not start, or that nothing would guard."""
    if state.passing:
        told = waiting(Phase.PENDING, problem.reason, problem.message)
        return say(observed, told, extra=carried(observed), requeue_after=SOON_SECONDS)
    told = blocked(problem.reason, problem.message)
    return say(observed, told, extra=carried(observed), requeue_after=observed.periods.blocked_check_seconds)


def replace_ended(observed: Observed, pod: pods.Pod, desired: dict[str, Any]) -> Plan:
    """Of a pod that has ended: delete it for another, or leave it where the next would end in the same way."""
    failure = pod_failure(pod)
    same_intent = not update_wanted(pod, desired)
    if failure.repeats and same_intent and not _node_changed(observed, pod):
        name = pod["metadata"]["name"]
        hint = (
            f"{failure.message} When the node is repaired, delete the pod {name}. The operator then creates a new pod."
        )
        fields = {"lastFailure": failure_fields(failure, observed, pod)}
        return say(observed, blocked(failure.reason, hint), extra=fields)
    if not same_intent:
        told = waiting(
            Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed. The operator replaces the pod that failed."
        )
        fields = {"lastFailure": failure_fields(failure, observed, pod)}
        return say(observed, told, actions=(DeletePod(pods.uid(pod)),), extra=fields, status_first=True)
    return replace_failed(observed, pod, failure)


def run_again(observed: Observed, pod: pods.Pod, over: dict[str, Any], policy: UpdatePolicy) -> Plan:
    """Of a pod whose workloads have ended, for another spec than the present one."""
    if policy is UpdatePolicy.ON_DELETE:
        stale = Condition.false(
            Reason.SPEC_CHANGED,
            "The spec changed after the workloads completed. With updatePolicy OnDelete, they run again when you delete the pod.",
        )
        return say(observed, replace(workloads.assessment(over), conditions={ConditionType.UP_TO_DATE: stale}))
    told = waiting(Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed. The workloads run again in a new pod.")
    # What became of them is in the pod alone, if nobody has stored it yet.
    return say(observed, told, actions=(DeletePod(pods.uid(pod)),), status_first=True)


def replace_failed(observed: Observed, pod: pods.Pod, failure: Failure, *, force: bool = False) -> Plan:
    """Count the failure, then delete the pod; the next one is made when its time has come."""
    extra = _count_failure(observed, pod, failure)
    assessment = replace(waiting(Phase.RECOVERING, failure.reason, failure.message), warning=True)
    return say(observed, assessment, actions=(DeletePod(pods.uid(pod), force=force),), extra=extra, status_first=True)


def _node_changed(observed: Observed, pod: pods.Pod) -> bool:
    """The node was rebooted since the failure was recorded: what it lacked then it may have now."""
    recorded = (observed.environment.get("status") or {}).get("lastFailure") or {}
    if recorded.get("podUID") != pods.uid(pod) or observed.node is None:
        return False
    before, now = recorded.get("nodeBootID"), observed.node.info.get("bootID")
    return bool(before and now and before != now)


def _count_failure(observed: Observed, pod: pods.Pod, failure: Failure) -> dict[str, Any]:
    """lastFailure, the count and the time of the next attempt; unchanged if this pod has been counted already."""
    old = observed.environment.get("status") or {}
    recorded = old.get("lastFailure") or {}
    if old.get("recreateAfter") and recorded.get("podUID") == pods.uid(pod):
        return {"recreateAfter": old["recreateAfter"]}
    count = backoff.next_count(int(old.get("recreations") or 0), pods.ran_for(pod, observed.now))
    return {
        "lastFailure": failure_fields(failure, observed, pod),
        "recreations": count,
        "recreateAfter": format_time(observed.now + backoff.delay(count, observed.periods.backoff)),
    }


def carried(observed: Observed) -> dict[str, Any]:
    """The time of the next attempt, which must outlive the pod that is going; a new spec need not wait for it."""
    old = observed.environment.get("status") or {}
    return {"recreateAfter": None if _spec_changed(observed) else old.get("recreateAfter")}


def _spec_changed(observed: Observed) -> bool:
    """Since the status was written last."""
    old = observed.environment.get("status") or {}
    return bool(observed.environment["metadata"].get("generation") != old.get("observedGeneration"))
