"""Creation of the pod, and its replacement after a failure, with backoff. Pure functions.

The backoff is in status, so that it survives a restart of the operator.
"""

from dataclasses import replace
from typing import Any

from dind_operator.api.conditions import ConditionType, Reason, format_time
from dind_operator.api.spec import UpdatePolicy
from dind_operator.api.status import Phase
from dind_operator.api.timestamps import parse_time
from dind_operator.controller import backoff
from dind_operator.controller.actions import CreatePod, DeletePod, Plan
from dind_operator.controller.drift import intent_changed
from dind_operator.controller.events import plan_with_status
from dind_operator.controller.status import failure_fields
from dind_operator.features.workloads import condition as workloads
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition, blocked, waiting
from dind_operator.state.observed import EndpointState, Observed
from dind_operator.state.pod_failures import Failure, pod_failure

SOON_SECONDS = 1.0
"""Until the next check of objects that the garbage collector is deleting."""


def create(observed: Observed, desired: dict[str, Any]) -> Plan:
    """Create the pod, if the backoff is over and the endpoint has no problem."""
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
        return plan_with_status(observed, assessment, extra=kept_backoff(observed), requeue_after=max(seconds, 0.1))
    state = observed.endpoint
    if state is not None and state.problem is not None and state.blocks:
        return _without_endpoint(observed, state, state.problem)
    assessment = waiting(Phase.PENDING, Reason.POD_PENDING, "The pod waits for the scheduler.")
    return plan_with_status(observed, assessment, actions=(CreatePod(desired),))


def _without_endpoint(observed: Observed, state: EndpointState, problem: Condition) -> Plan:
    """No pod is created that could not start, or whose endpoint would have no NetworkPolicy."""
    if state.passing:
        assessment = waiting(Phase.PENDING, problem.reason, problem.message)
        # A request that failed is tried again by the endpoint's own schedule.
        soon = SOON_SECONDS if problem.reason is Reason.WAITING_FOR_PREVIOUS_POD else None
        return plan_with_status(observed, assessment, extra=kept_backoff(observed), requeue_after=soon)
    assessment = blocked(problem.reason, problem.message)
    return plan_with_status(
        observed, assessment, extra=kept_backoff(observed), requeue_after=observed.periods.blocked_check_seconds
    )


def replace_ended(observed: Observed, pod: pods.Pod, desired: dict[str, Any]) -> Plan:
    """Replace a pod that stopped, or keep it if the next one would fail in the same way."""
    failure = pod_failure(pod)
    same_intent = not intent_changed(pod, desired)
    if failure.repeats and same_intent and not _node_changed(observed, pod):
        name = pod["metadata"]["name"]
        hint = (
            f"{failure.message} When the node is repaired, delete the pod {name}. The operator then creates a new pod."
        )
        fields = {"lastFailure": failure_fields(failure, observed, pod)}
        return plan_with_status(observed, blocked(failure.reason, hint), extra=fields)
    if not same_intent:
        assessment = waiting(
            Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed. The operator replaces the pod that failed."
        )
        fields = {"lastFailure": failure_fields(failure, observed, pod)}
        return plan_with_status(
            observed, assessment, actions=(DeletePod(pods.uid(pod)),), extra=fields, status_first=True
        )
    return replace_failed(observed, pod, failure)


def run_again(observed: Observed, pod: pods.Pod, over: dict[str, Any], policy: UpdatePolicy) -> Plan:
    """The plan for a pod whose workloads completed for an older spec."""
    if policy is UpdatePolicy.ON_DELETE:
        stale = Condition.false(
            Reason.SPEC_CHANGED,
            "The spec changed after the workloads completed. With updatePolicy OnDelete, they run again when you delete the pod.",
        )
        return plan_with_status(
            observed, replace(workloads.assessment(over), conditions={ConditionType.UP_TO_DATE: stale})
        )
    assessment = waiting(
        Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed. The workloads run again in a new pod."
    )
    # The results of the workloads may not be stored yet.
    return plan_with_status(observed, assessment, actions=(DeletePod(pods.uid(pod)),), status_first=True)


def replace_failed(observed: Observed, pod: pods.Pod, failure: Failure, *, force: bool = False) -> Plan:
    """Count the failure and delete the pod. The next pod is created after the backoff."""
    extra = _count_failure(observed, pod, failure)
    assessment = replace(waiting(Phase.RECOVERING, failure.reason, failure.message), warning=True)
    return plan_with_status(
        observed, assessment, actions=(DeletePod(pods.uid(pod), force=force),), extra=extra, status_first=True
    )


def _node_changed(observed: Observed, pod: pods.Pod) -> bool:
    """Whether the node was rebooted after the failure, so that the next pod may not fail."""
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


def kept_backoff(observed: Observed) -> dict[str, Any]:
    """The time of the next attempt, which is kept after the pod is deleted. A new spec does not wait for it."""
    old = observed.environment.get("status") or {}
    return {"recreateAfter": None if _spec_changed(observed) else old.get("recreateAfter")}


def _spec_changed(observed: Observed) -> bool:
    """Whether the spec changed since the status was last written."""
    old = observed.environment.get("status") or {}
    return bool(observed.environment["metadata"].get("generation") != old.get("observedGeneration"))
