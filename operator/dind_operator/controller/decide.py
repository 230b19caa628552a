"""From what was observed to what is to be done: pure and total. Applied twice, the second time does nothing."""

from dataclasses import replace
from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import ConditionType, Reason, format_time
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.spec import OperatingMode, UpdatePolicy
from dind_operator.api.status import Phase
from dind_operator.controller.actions import NOTHING, DeleteEnvironment, DeletePod, Plan, RepairMetadata
from dind_operator.controller.drift import Freshness, missing_metadata, up_to_date, update_wanted
from dind_operator.controller.events import answered_before, keep, ready_events, say
from dind_operator.controller.features import assess
from dind_operator.controller.manifest import DesiredPod, desired_pod
from dind_operator.controller.pod_health import diagnose
from dind_operator.controller.pod_replacement import carried, create, replace_ended, replace_failed, run_again
from dind_operator.controller.status import failure_fields
from dind_operator.features.endpoint import condition as endpoint
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken
from dind_operator.features.security import user_namespaces as sandboxes
from dind_operator.features.storage import host_path_claims as folders
from dind_operator.features.workloads import condition as workloads
from dind_operator.pod.errors import UnbuildableError
from dind_operator.state import ownership
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, blocked, waiting
from dind_operator.state.observed import Observed, Policy
from dind_operator.state.pod_failures import Failure, failure_of, pod_failure


def make_plan(observed: Observed, policy: Policy) -> Plan:
    """What to do about one environment."""
    if observed.ending:
        return NOTHING
    closed = _closed(observed) if policy.require_namespace_label else None
    if closed is not None:
        return closed
    life = lifetimes.of(observed)
    if life.over is not None and life.deletes:
        return _delete(observed, life.over)
    conflict = ownership.conflict(observed.pod, observed.environment["metadata"])
    if conflict is not None:
        # Pods are watched by our label, which a stranger need not carry: its end may come unseen.
        return say(observed, conflict, requeue_after=observed.periods.blocked_check_seconds)
    try:
        environment = DindEnvironment.from_dict(observed.environment)
    except InvalidEnvironment as error:
        return keep(observed, blocked(Reason.INVALID_SPEC, str(error)))
    if observed.pod is not None and pods.terminating(observed.pod):
        return _going(observed, environment, observed.pod, life.over)
    rests = _at_rest(observed, environment, life.over)
    if rests is not None:
        return rests
    if forbidden := broken(environment, policy):
        return keep(observed, blocked(Reason.POLICY_VIOLATION, forbidden))
    try:
        desired = desired_pod(environment, policy.build, endpoint.pod_credentials(observed))
    except UnbuildableError as error:
        return keep(observed, blocked(error.reason, error.message))
    return _toward(observed, environment, desired)


def _at_rest(observed: Observed, environment: DindEnvironment, over: lifetimes.End | None) -> Plan | None:
    """What to do where there is to be no daemon: suspended, expired, or its workloads have ended. None if there is to be one."""
    if environment.spec.operating_mode == OperatingMode.SUSPENDED or over is not None:
        return _suspend(observed, over)
    run = workloads.over(observed, environment)
    return None if run is None else _completed(observed, run)


def _toward(observed: Observed, environment: DindEnvironment, asked: DesiredPod) -> Plan:
    """Bring the pod to what is desired."""
    desired = asked.manifest
    taken = folders.taken(environment, observed.rivals)
    if taken is not None and (observed.pod is None or _would_move(observed.pod, desired, environment)):
        # Nothing of its own tells the environment that the other one has gone.
        return replace(keep(observed, taken), requeue_after=observed.periods.blocked_check_seconds)
    if observed.pod is None:
        return create(observed, desired)
    over = workloads.ended(observed, observed.pod)
    if over is not None:
        return run_again(observed, observed.pod, over, environment.spec.update_policy)
    if pods.ended(observed.pod):
        return replace_ended(observed, observed.pod, desired)
    return _living(observed, environment, observed.pod, asked)


def _completed(observed: Observed, over: dict[str, Any]) -> Plan:
    """The workloads have ended, and with them the pod, which stays for its logs; nothing is made again."""
    pod = observed.pod
    lost = over["result"] == Reason.WORKLOADS_LOST and pod is not None and pods.ended(pod)
    extra = {"lastFailure": failure_fields(pod_failure(pod), observed, pod)} if lost and pod is not None else None
    return say(observed, workloads.assessment(over), extra=extra)


def _would_move(pod: pods.Pod, desired: dict[str, Any], environment: DindEnvironment) -> bool:
    """The pod that runs has another folder than the spec asks for now."""
    return not pods.ended(pod) and update_wanted(pod, desired) and folders.of_pod(pod) != folders.of(environment)


def _closed(observed: Observed) -> Plan | None:
    """What to do in a namespace that is not open for environments; None if it is open."""
    if observed.namespace is None:
        # An environment may be seen before its new namespace is; to call that closed would be false.
        return Plan(requeue_after=observed.periods.blocked_check_seconds)
    if observed.namespace_enabled:
        return None
    # Nothing expires here, so nothing is warned of, nor said to have been.
    kept = {"lifetime": (observed.environment.get("status") or {}).get("lifetime")}
    told = say(observed, blocked(Reason.NAMESPACE_NOT_ENABLED, _not_enabled(observed)), extra=kept)
    return replace(told, events=tuple(event for event in told.events if event.reason != lifetimes.EXPIRES_SOON))


def _not_enabled(observed: Observed) -> str:
    namespace = observed.environment["metadata"]["namespace"]
    label = f"{names.NAMESPACE_LABEL}={names.NAMESPACE_LABEL_VALUE}"
    return (
        f"Environments are not enabled in the namespace {namespace}, because users of an environment can become root on a node. Ask "
        f"an administrator to run: kubectl label namespace {namespace} {label}"
    )


def _going(observed: Observed, environment: DindEnvironment, pod: pods.Pod, over: lifetimes.End | None) -> Plan:
    """Wait for a pod that is being deleted; help only where no kubelet will ever confirm it."""
    gone = observed.node is not None and observed.node.gone
    actions = (DeletePod(pods.uid(pod), force=True),) if gone else ()
    if environment.spec.operating_mode == OperatingMode.SUSPENDED or over is not None:
        assessment = _suspending(observed, over)
    elif (run := workloads.over(observed, environment)) is not None:
        assessment = workloads.assessment(run)  # its pod goes, and no other comes
    elif observed.node is not None and not gone and not observed.node.ready:
        assessment = blocked(
            Reason.NODE_LOST,
            f"The node {observed.node.name} does not respond, so the previous pod may still run. The operator creates no new pod "
            "until the previous pod is gone. Repair the node, delete it, or add the taint node.kubernetes.io/out-of-service to it.",
        )
    else:
        message = "The previous pod is terminating. The operator creates a new pod when it is gone."
        assessment = waiting(Phase.RECOVERING, Reason.TERMINATING, message)
    return say(
        observed,
        assessment,
        actions=actions,
        extra=carried(observed),
        requeue_after=observed.periods.blocked_check_seconds,
    )


def _suspend(observed: Observed, over: lifetimes.End | None) -> Plan:
    """No pod, everything else kept: because the spec says so, or because the environment has expired."""
    if observed.pod is None:
        if over is not None:
            return say(observed, waiting(Phase.SUSPENDED, over.reason, lifetimes.ended(observed, over)))
        told = "spec.operatingMode is Suspended, and the environment has no pod. Set spec.operatingMode to Running to resume it."
        return say(observed, waiting(Phase.SUSPENDED, Reason.SUSPENDED, told))
    failed = pods.ended(observed.pod) and workloads.ended(observed, observed.pod) is None
    return say(
        observed,
        _suspending(observed, over),
        actions=(DeletePod(pods.uid(observed.pod)),),
        extra={"lastFailure": failure_fields(pod_failure(observed.pod), observed, observed.pod)} if failed else None,
        status_first=True,
        requeue_after=observed.periods.blocked_check_seconds,
    )


def _suspending(observed: Observed, over: lifetimes.End | None) -> Assessment:
    if over is not None:
        return waiting(Phase.SUSPENDING, over.reason, lifetimes.ended(observed, over))
    return waiting(Phase.SUSPENDING, Reason.SUSPENDING, "The environment is being suspended. Its pod is terminating.")


def _delete(observed: Observed, over: lifetimes.End) -> Plan:
    """The environment has expired and is deleted; its pod goes with it. What is told before is told while it is there."""
    message = (
        f"The environment expired at {format_time(over.at)} ({over.what}). The operator deletes the environment, because "
        "spec.lifetime.expire is Delete."
    )
    assessment = waiting(Phase.TERMINATING, over.reason, message)
    found = say(observed, assessment, actions=(DeleteEnvironment(),), status_first=True)
    return replace(found, events=ready_events(observed, assessment))


def _living(observed: Observed, environment: DindEnvironment, pod: pods.Pod, asked: DesiredPod) -> Plan:
    desired = asked.manifest
    if observed.node is not None and observed.node.gone:
        message = f"The node {observed.node.name} was deleted or is out of service. The operator replaces the pod."
        return replace_failed(observed, pod, Failure(Reason.NODE_LOST, message), force=True)
    assessment = assess(diagnose(pod, answered_before=answered_before(observed, pod)), observed, pod)
    freshness = up_to_date(pod, desired, environment.spec.update_policy)
    assessment = replace(assessment, conditions={**assessment.conditions, ConditionType.UP_TO_DATE: freshness.part})
    replaced = _replace_living(observed, environment, pod, freshness, assessment)
    if replaced is not None:
        return replaced
    missing = missing_metadata(pod, desired)
    actions = (RepairMetadata(missing),) if missing else ()
    reserve = asked.memory.reserve if pods.memory_limited(pod) else None
    extra: dict[str, Any] = {"reserveMemory": reserve} if freshness.same_build else {}
    failure_now = failure_of(pod)
    if failure_now is not None:
        extra["lastFailure"] = failure_fields(failure_now, observed, pod)
    # No event tells of a sandbox that is not made.
    again = observed.periods.blocked_check_seconds if sandboxes.waits(pod) else None
    return say(observed, assessment, actions=actions, extra=extra, requeue_after=again)


def _replace_living(
    observed: Observed, environment: DindEnvironment, pod: pods.Pod, freshness: Freshness, assessment: Assessment
) -> Plan | None:
    """Make a pod again that works, for another spec or another certificate; None to leave it."""
    problem = endpoint.problem(observed) if endpoint.guarded(observed.environment) else None
    if freshness.replace and problem is not None:
        # The next pod could not be made; the one that works goes on.
        return replace(
            keep(observed, blocked(problem.reason, problem.message)),
            requeue_after=observed.periods.blocked_check_seconds,
        )
    renew = environment.spec.update_policy is UpdatePolicy.RECREATE and endpoint.restart_wanted(observed, pod)
    if not freshness.replace and not renew:
        return None
    told = waiting(
        Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed. The operator replaces the pod.", assessment.conditions
    )
    if not freshness.replace:
        message = "The certificate of the daemon changed. The operator replaces the pod, so that the daemon uses the new certificate."
        told = waiting(Phase.RECOVERING, Reason.CREDENTIALS_PENDING, message, assessment.conditions)
    # Status first, for an old backoff is forgotten: an operator that ends in between must not leave one behind.
    return say(observed, told, actions=(DeletePod(pods.uid(pod)),), status_first=True)
