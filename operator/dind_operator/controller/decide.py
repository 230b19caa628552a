"""The plan for an observed environment. Pure, total and idempotent."""

from dataclasses import replace
from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import ConditionType, Reason, format_time
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.spec import UpdatePolicy
from dind_operator.api.status import Phase
from dind_operator.controller.actions import NOTHING, DeleteEnvironment, DeletePod, Plan, RepairMetadata
from dind_operator.controller.drift import Freshness, intent_changed, missing_metadata, up_to_date
from dind_operator.controller.events import answered_before, keep_pod, plan_with_status, ready_events
from dind_operator.controller.features import assess
from dind_operator.controller.pod_health import diagnose
from dind_operator.controller.pod_manifest import DesiredPod, desired_pod
from dind_operator.controller.pod_replacement import create, kept_backoff, replace_ended, replace_failed, run_again
from dind_operator.controller.status import failure_fields
from dind_operator.features.endpoint import condition as endpoint
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken
from dind_operator.features.security import user_namespaces
from dind_operator.features.storage import host_path_claims as host_paths
from dind_operator.features.workloads import condition as workloads
from dind_operator.pod.errors import UnbuildableError
from dind_operator.state import ownership
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, blocked, waiting
from dind_operator.state.observed import Observed, Policy
from dind_operator.state.pod_failures import Failure, failure_of, pod_failure


def make_plan(observed: Observed, policy: Policy) -> Plan:
    """The plan for one environment."""
    if observed.ending:
        return _ending(observed)
    disabled = _namespace_disabled(observed) if policy.require_namespace_label else None
    # A daemon that runs in a namespace that was disabled ends as everywhere else.
    if disabled is not None and (observed.pod is None or not lifetimes.stopped(observed)):
        return disabled
    lifetime = lifetimes.of(observed)
    if lifetime.expired is not None and lifetime.deletes:
        return _delete(observed, lifetime.expired)
    conflict = ownership.conflict(observed.pod, observed.environment["metadata"])
    if conflict is not None:
        # Only pods with the label of the operator are watched, so the deletion of this one may not be reported.
        again = observed.periods.blocked_check_seconds
        return plan_with_status(observed, conflict, actions=_orphans(observed), requeue_after=again)
    # Expiry and suspension are decided from the raw object: whatever else is wrong with it, its daemon ends.
    if lifetimes.stopped(observed) and not _terminating(observed):
        return _suspend(observed, lifetime.expired)
    return _desired_plan(observed, policy, lifetime.expired)


def _terminating(observed: Observed) -> bool:
    return observed.pod is not None and pods.terminating(observed.pod)


def _desired_plan(observed: Observed, policy: Policy, expired: lifetimes.End | None) -> Plan:
    """The plan for what the spec asks for. ``expired``: only while the last pod is terminating."""
    going = _terminating(observed)
    try:
        environment = DindEnvironment.from_dict(observed.environment)
    except InvalidEnvironment as error:
        problem = blocked(Reason.INVALID_SPEC, str(error))
        if going:
            return _terminating_pod(observed, expired, problem)
        return keep_pod(observed, problem)
    run = workloads.completed(observed, environment)
    if going:
        return _terminating_pod(observed, expired, workloads.assessment(run) if run is not None else None)
    if run is not None:
        return _completed(observed, run)
    if forbidden := broken(environment, policy):
        return keep_pod(observed, forbidden)
    try:
        desired = desired_pod(environment, policy.build, endpoint.pod_credentials(observed))
    except UnbuildableError as error:
        return keep_pod(observed, blocked(error.reason, error.message))
    return _reconcile_pod(observed, environment, desired)


def _ending(observed: Observed) -> Plan:
    """The plan for an environment that is being deleted: the garbage collector deletes its objects when the environment is gone.

    A finalizer of somebody else can delay that for ever, so the operator deletes the pod itself. Of a namespace that is being
    deleted the namespace controller deletes everything.
    """
    pod = observed.pod
    deleted = bool(observed.environment["metadata"].get("deletionTimestamp"))
    if not deleted or pod is None or pods.terminating(pod):
        return NOTHING
    if ownership.conflict(pod, observed.environment["metadata"]) is not None:
        return Plan(actions=_orphans(observed))
    return Plan(actions=(DeletePod(pods.uid(pod)),))


def _orphans(observed: Observed) -> tuple[DeletePod, ...]:
    """A pod that a previous instance of the environment left behind ends: nothing else would end it."""
    pod = observed.pod
    ends = pod is not None and ownership.orphaned(pod) and not pods.terminating(pod)
    return (DeletePod(pods.uid(pod)),) if pod is not None and ends else ()


def _reconcile_pod(observed: Observed, environment: DindEnvironment, goal: DesiredPod) -> Plan:
    """Create, replace or keep the pod."""
    desired = goal.manifest
    taken = host_paths.taken(environment, observed.rivals)
    if taken is not None and (observed.pod is None or _would_move(observed.pod, desired, environment)):
        # No watch reports for this environment that the other one was deleted.
        return replace(keep_pod(observed, taken), requeue_after=observed.periods.blocked_check_seconds)
    if observed.pod is None:
        return create(observed, desired)
    over = workloads.completed_in(observed, observed.pod)
    if over is not None:
        return run_again(observed, observed.pod, over, environment.spec.update_policy)
    if pods.ended(observed.pod):
        return replace_ended(observed, observed.pod, desired)
    return _running_pod(observed, environment, observed.pod, goal)


def _completed(observed: Observed, over: dict[str, Any]) -> Plan:
    """The workloads completed. The pod is kept for its logs, and no new pod is created."""
    pod = observed.pod
    lost = over["result"] == Reason.WORKLOADS_LOST and pod is not None and pods.ended(pod)
    extra = {"lastFailure": failure_fields(pod_failure(pod), observed, pod)} if lost and pod is not None else None
    return plan_with_status(observed, workloads.assessment(over), extra=extra)


def _would_move(pod: pods.Pod, desired: dict[str, Any], environment: DindEnvironment) -> bool:
    """Whether a new pod would use another directory of the node than the running pod."""
    return not pods.ended(pod) and intent_changed(pod, desired) and host_paths.of_pod(pod) != host_paths.of(environment)


def _namespace_disabled(observed: Observed) -> Plan | None:
    """The plan if environments are not enabled in the namespace; None if they are."""
    if observed.namespace is None:
        # The environment may be observed before its new namespace.
        return Plan(requeue_after=observed.periods.blocked_check_seconds)
    if observed.namespace_enabled:
        return None
    problem = blocked(Reason.NAMESPACE_NOT_ENABLED, _not_enabled(observed))
    if observed.pod is not None:
        return plan_with_status(observed, problem)
    # Without a pod there is nothing to end, and no warning is recorded.
    kept = {"lifetime": (observed.environment.get("status") or {}).get("lifetime")}
    plan = plan_with_status(observed, problem, extra=kept)
    return replace(plan, events=tuple(event for event in plan.events if event.reason != lifetimes.EXPIRES_SOON))


def _not_enabled(observed: Observed) -> str:
    namespace = observed.environment["metadata"]["namespace"]
    label = f"{names.NAMESPACE_LABEL}={names.NAMESPACE_LABEL_VALUE}"
    return (
        f"Environments are not enabled in the namespace {namespace}, because users of an environment can become root on a node. Ask "
        f"an administrator to run: kubectl label namespace {namespace} {label}"
    )


def _terminating_pod(observed: Observed, over: lifetimes.End | None, no_other: Assessment | None) -> Plan:
    """Wait for a terminating pod. It is force-deleted only if its node is gone, because no kubelet can confirm its deletion.

    ``no_other``: why no new pod follows; None if one does.
    """
    pod = observed.pod
    assert pod is not None, "the caller has seen it"
    gone = observed.node is not None and observed.node.gone
    actions = (DeletePod(pods.uid(pod), force=True),) if gone else ()
    if lifetimes.stopped(observed):
        assessment = _suspending(observed, over)
    elif no_other is not None:
        assessment = no_other
    elif observed.node is not None and not gone and not observed.node.ready:
        assessment = blocked(
            Reason.NODE_LOST,
            f"The node {observed.node.name} does not respond, so the previous pod may still run. The operator creates no new pod "
            "until the previous pod is gone. Repair the node, delete it, or add the taint node.kubernetes.io/out-of-service to it.",
        )
    else:
        message = "The previous pod is terminating. The operator creates a new pod when it is gone."
        assessment = waiting(Phase.RECOVERING, Reason.TERMINATING, message)
    return plan_with_status(
        observed,
        assessment,
        actions=actions,
        extra=kept_backoff(observed),
        requeue_after=observed.periods.blocked_check_seconds,
    )


def _suspend(observed: Observed, over: lifetimes.End | None) -> Plan:
    """Delete the pod and keep everything else, because the environment is suspended or expired."""
    if observed.pod is None:
        if over is not None:
            return plan_with_status(
                observed, waiting(Phase.SUSPENDED, over.reason, lifetimes.expired_message(observed, over))
            )
        message = "spec.operatingMode is Suspended, and the environment has no pod. Set spec.operatingMode to Running to resume it."
        return plan_with_status(observed, waiting(Phase.SUSPENDED, Reason.SUSPENDED, message))
    failed = pods.ended(observed.pod) and workloads.completed_in(observed, observed.pod) is None
    return plan_with_status(
        observed,
        _suspending(observed, over),
        actions=(DeletePod(pods.uid(observed.pod)),),
        extra={"lastFailure": failure_fields(pod_failure(observed.pod), observed, observed.pod)} if failed else None,
        status_first=True,
        requeue_after=observed.periods.blocked_check_seconds,
    )


def _suspending(observed: Observed, over: lifetimes.End | None) -> Assessment:
    if over is not None:
        return waiting(Phase.SUSPENDING, over.reason, lifetimes.expired_message(observed, over))
    return waiting(Phase.SUSPENDING, Reason.SUSPENDING, "The environment is being suspended. Its pod is terminating.")


def _delete(observed: Observed, over: lifetimes.End) -> Plan:
    """Delete an expired environment. Its status and its Event are stored before the deletion."""
    message = (
        f"The environment expired at {format_time(over.at)} ({over.what}). The operator deletes the environment, because "
        "spec.lifetime.expire is Delete."
    )
    assessment = waiting(Phase.TERMINATING, over.reason, message)
    found = plan_with_status(observed, assessment, actions=(DeleteEnvironment(),), status_first=True)
    return replace(found, events=ready_events(observed, assessment))


def _running_pod(observed: Observed, environment: DindEnvironment, pod: pods.Pod, goal: DesiredPod) -> Plan:
    desired = goal.manifest
    if observed.node is not None and observed.node.gone:
        message = f"The node {observed.node.name} was deleted or is out of service. The operator replaces the pod."
        return replace_failed(observed, pod, Failure(Reason.NODE_LOST, message), force=True)
    assessment = assess(diagnose(pod, answered_before=answered_before(observed, pod)), observed, pod)
    freshness = up_to_date(pod, desired, environment.spec.update_policy)
    assessment = replace(
        assessment, conditions={**assessment.conditions, ConditionType.UP_TO_DATE: freshness.condition}
    )
    replaced = _replace_running_pod(observed, environment, pod, freshness, assessment)
    if replaced is not None:
        return replaced
    missing = missing_metadata(pod, desired)
    actions = (RepairMetadata(missing),) if missing else ()
    reserve = goal.memory.reserve if pods.memory_limited(pod) else None
    extra: dict[str, Any] = {"reserveMemory": reserve} if freshness.same_build else {}
    failure_now = failure_of(pod)
    if failure_now is not None:
        extra["lastFailure"] = failure_fields(failure_now, observed, pod)
    # No watch reports that a sandbox cannot be created.
    again = observed.periods.blocked_check_seconds if user_namespaces.waits(pod) else None
    return plan_with_status(observed, assessment, actions=actions, extra=extra, requeue_after=again)


def _replace_running_pod(
    observed: Observed, environment: DindEnvironment, pod: pods.Pod, freshness: Freshness, assessment: Assessment
) -> Plan | None:
    """Replace a running pod because the spec or the certificate changed; None to keep it."""
    problem = endpoint.blocking(observed)
    if freshness.replace and problem is not None:
        # The next pod could not be created, so the running pod is kept.
        return replace(
            keep_pod(observed, blocked(problem.reason, problem.message)),
            requeue_after=observed.periods.blocked_check_seconds,
        )
    renew = environment.spec.update_policy is UpdatePolicy.RECREATE and endpoint.needs_restart(observed, pod)
    if not freshness.replace and not renew:
        return None
    assessment = waiting(
        Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed. The operator replaces the pod.", assessment.conditions
    )
    if not freshness.replace:
        message = "The certificate of the daemon changed. The operator replaces the pod, so that the daemon uses the new certificate."
        assessment = waiting(Phase.RECOVERING, Reason.CREDENTIALS_PENDING, message, assessment.conditions)
    # Status first: it removes an old backoff, which must not remain if the operator stops in between.
    return plan_with_status(observed, assessment, actions=(DeletePod(pods.uid(pod)),), status_first=True)
