"""From what was observed to what is to be done: pure and total. Applied twice, the second time does nothing."""

from dataclasses import replace
from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import ConditionType, Reason, format_time
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.spec import OperatingMode, UpdatePolicy
from dind_operator.api.status import Phase
from dind_operator.build.errors import UnbuildableError
from dind_operator.build.guardrails import violations
from dind_operator.build.memory import plan_memory
from dind_operator.build.pod import daemon_pod
from dind_operator.reconcile import backoff, endpoint, folders, ownership, pods, sandboxes, storage
from dind_operator.reconcile.actions import NOTHING, Action, CreatePod, DeletePod, Plan, RepairMetadata
from dind_operator.reconcile.cluster import Note
from dind_operator.reconcile.diagnosis import diagnose, failure_of
from dind_operator.reconcile.endpoint import endpoint_note
from dind_operator.reconcile.failures import Failure, pod_failure
from dind_operator.reconcile.isolation import isolation_note
from dind_operator.reconcile.observed import EndpointState, Observed, Policy
from dind_operator.reconcile.status import build_status, failure_fields
from dind_operator.reconcile.updates import Freshness, missing_metadata, up_to_date, update_wanted
from dind_operator.reconcile.verdict import Part, Verdict, blocked, waiting

WAIT_SECONDS = 15.0
"""How soon to look again at something whose end no watch may tell (a node that is lost, a predecessor)."""
SOON_SECONDS = 1.0
"""The same of what the garbage collector is about to remove."""


def make_plan(observed: Observed, policy: Policy) -> Plan:
    """What to do about one environment."""
    if observed.ending:
        return NOTHING
    closed = _closed(observed) if policy.require_namespace_label else None
    if closed is not None:
        return closed
    stranger = ownership.stranger(observed.pod, observed.environment["metadata"])
    if stranger is not None:
        # Pods are watched by our label, which a stranger need not carry: its end may come unseen.
        return say(observed, stranger, requeue_after=WAIT_SECONDS)
    try:
        environment = DindEnvironment.from_dict(observed.environment)
    except InvalidEnvironment as error:
        return _keep(observed, blocked(Reason.INVALID_SPEC, str(error)))
    if observed.pod is not None and pods.terminating(observed.pod):
        return _going(observed, environment, observed.pod)
    if environment.spec.operating_mode == OperatingMode.SUSPENDED:
        return _suspend(observed)
    if broken := _broken(environment, policy):
        return _keep(observed, blocked(Reason.POLICY_VIOLATION, broken))
    try:
        desired = daemon_pod(environment, policy.build, endpoint.pod_credentials(observed))
    except UnbuildableError as error:
        return _keep(observed, blocked(error.reason, error.message))
    return _toward(observed, environment, desired, policy)


def _broken(environment: DindEnvironment, policy: Policy) -> str:
    """What of the installation's policy the environment does not keep; empty if it keeps all."""
    if policy.guard_rails is None:
        return ""
    return " ".join(violations(environment, policy.guard_rails, policy.build.default_runtime_class))


def _toward(observed: Observed, environment: DindEnvironment, desired: dict[str, Any], policy: Policy) -> Plan:
    """Bring the pod to what is desired."""
    taken = folders.taken(environment, observed.rivals)
    if taken is not None and (observed.pod is None or _would_move(observed.pod, desired, environment)):
        # Nothing of its own tells the environment that the other one has gone.
        return replace(_keep(observed, taken), requeue_after=WAIT_SECONDS)
    if observed.pod is None:
        return _create(observed, desired)
    if pods.ended(observed.pod):
        return _replace_ended(observed, observed.pod, desired)
    return _living(observed, environment, observed.pod, desired, policy)


def _would_move(pod: pods.Pod, desired: dict[str, Any], environment: DindEnvironment) -> bool:
    """The pod that runs has another folder than the spec asks for now."""
    return not pods.ended(pod) and update_wanted(pod, desired) and folders.of_pod(pod) != folders.of(environment)


def _closed(observed: Observed) -> Plan | None:
    """What to do in a namespace that is not open for environments; None if it is open."""
    if observed.namespace is None:
        # An environment may be seen before its new namespace is; to call that closed would be false.
        return Plan(requeue_after=WAIT_SECONDS)
    if observed.namespace_enabled:
        return None
    return say(observed, blocked(Reason.NAMESPACE_NOT_ENABLED, _not_enabled(observed)))


def _not_enabled(observed: Observed) -> str:
    namespace = observed.environment["metadata"]["namespace"]
    label = f"{names.NAMESPACE_LABEL}={names.NAMESPACE_LABEL_VALUE}"
    return (
        f"The namespace {namespace} is not open for environments, because each gives root on a node. An administrator opens it "
        f"with: kubectl label namespace {namespace} {label}"
    )


def say(
    observed: Observed,
    verdict: Verdict,
    *,
    actions: tuple[Action, ...] = (),
    extra: dict[str, Any] | None = None,
    requeue_after: float | None = None,
    status_first: bool = False,
) -> Plan:
    """A plan with the status that follows from a verdict."""
    status = build_status(observed, verdict, extra)
    return Plan(
        actions=actions,
        status=status,
        status_first=status_first,
        requeue_after=requeue_after,
        notes=(
            *_notes(observed, verdict),
            *isolation_note(observed),
            *endpoint_note(observed),
            *storage.notes(verdict, observed),
        ),
    )


def _notes(observed: Observed, verdict: Verdict) -> tuple[Note, ...]:
    """An Event when Ready takes another reason that is worth telling: trouble, Ready, Suspended."""
    old = observed.told(ConditionType.READY)
    worth = verdict.trouble or verdict.ready.reason in (Reason.READY, Reason.SUSPENDED)
    if not worth or old.get("reason") == verdict.ready.reason:
        return ()
    return (Note(verdict.ready.reason.value, verdict.ready.message, warning=verdict.trouble),)


def _keep(observed: Observed, problem: Verdict) -> Plan:
    """The spec cannot be followed: a pod that works goes on with what it has, and the problem is told."""
    pod = observed.pod
    if pod is None or pods.ended(pod) or pods.terminating(pod):
        return say(observed, problem)
    verdict = storage.told(diagnose(pod, answered_before=_answered_before(observed, pod)), observed, pod)
    stale = Part.false(problem.ready.reason, problem.ready.message)
    plan = say(observed, replace(verdict, parts={**verdict.parts, ConditionType.UP_TO_DATE: stale}))
    if observed.told(ConditionType.UP_TO_DATE).get("reason") == stale.reason:
        return plan
    # Ready does not tell of it.
    return replace(plan, notes=(*plan.notes, Note(stale.reason.value, stale.message, warning=True)))


def _answered_before(observed: Observed, pod: pods.Pod) -> bool:
    old = observed.told(ConditionType.DAEMON_READY)
    answered = old.get("reason") in (Reason.READY, Reason.DAEMON_NOT_READY)
    return answered and (observed.environment.get("status") or {}).get("podUID") == pods.uid(pod)


def _going(observed: Observed, environment: DindEnvironment, pod: pods.Pod) -> Plan:
    """Wait for a pod that is being deleted; help only where no kubelet will ever confirm it."""
    gone = observed.node is not None and observed.node.gone
    actions = (DeletePod(pods.uid(pod), force=True),) if gone else ()
    if environment.spec.operating_mode == OperatingMode.SUSPENDED:
        verdict = waiting(Phase.SUSPENDING, Reason.SUSPENDING, "The daemon is shutting down.")
    elif observed.node is not None and not gone and not observed.node.ready:
        verdict = blocked(
            Reason.NODE_LOST,
            f"The node {observed.node.name} does not answer, so nobody can say that the old pod has ended; no other is made until "
            "then. Bring the node back, delete it, or taint it node.kubernetes.io/out-of-service.",
        )
    else:
        verdict = waiting(Phase.RECOVERING, Reason.TERMINATING, "The old pod is shutting down; a new one follows.")
    return say(observed, verdict, actions=actions, extra=_carried(observed), requeue_after=WAIT_SECONDS)


def _carried(observed: Observed) -> dict[str, Any]:
    """The time of the next attempt, which must outlive the pod that is going; a new spec need not wait for it."""
    old = observed.environment.get("status") or {}
    return {"recreateAfter": None if _spec_changed(observed) else old.get("recreateAfter")}


def _spec_changed(observed: Observed) -> bool:
    """Since the status was written last."""
    old = observed.environment.get("status") or {}
    return bool(observed.environment["metadata"].get("generation") != old.get("observedGeneration"))


def _suspend(observed: Observed) -> Plan:
    if observed.pod is None:
        return say(
            observed, waiting(Phase.SUSPENDED, Reason.SUSPENDED, "Suspended by spec.operatingMode; there is no pod.")
        )
    verdict = waiting(Phase.SUSPENDING, Reason.SUSPENDING, "The daemon is shutting down.")
    over = pods.ended(observed.pod)
    return say(
        observed,
        verdict,
        actions=(DeletePod(pods.uid(observed.pod)),),
        extra={"lastFailure": failure_fields(pod_failure(observed.pod), observed, observed.pod)} if over else None,
        status_first=True,
        requeue_after=WAIT_SECONDS,
    )


def _create(observed: Observed, desired: dict[str, Any]) -> Plan:
    old = observed.environment.get("status") or {}
    not_before = backoff.parse_time(old.get("recreateAfter"))
    if not_before is not None and not_before > observed.now and not _spec_changed(observed):
        failure = old.get("lastFailure") or {}
        message = (
            f"{old.get('recreations', 1)} pod(s) in a row failed, the last with {failure.get('reason', 'an unknown reason')}; "
            f"the next is made at {old['recreateAfter']}. {failure.get('message', '')}"
        )
        verdict = replace(waiting(Phase.RECOVERING, Reason.BACKING_OFF, message), trouble=True)
        seconds = (not_before - observed.now).total_seconds()
        return say(observed, verdict, extra=_carried(observed), requeue_after=max(seconds, 0.1))
    state = observed.endpoint
    if state is not None and state.problem is not None and endpoint.enabled(observed.environment):
        return _without_endpoint(observed, state, state.problem)
    verdict = waiting(Phase.PENDING, Reason.POD_PENDING, "The pod is made and waits for the scheduler.")
    return say(observed, verdict, actions=(CreatePod(desired),))


def _without_endpoint(observed: Observed, state: EndpointState, problem: Part) -> Plan:
    """No pod is made that could not start, or that nothing would guard."""
    if state.passing:
        told = waiting(Phase.PENDING, problem.reason, problem.message)
        return say(observed, told, extra=_carried(observed), requeue_after=SOON_SECONDS)
    told = blocked(problem.reason, problem.message)
    return say(observed, told, extra=_carried(observed), requeue_after=WAIT_SECONDS)


def _replace_ended(observed: Observed, pod: pods.Pod, desired: dict[str, Any]) -> Plan:
    failure = pod_failure(pod)
    same_intent = not update_wanted(pod, desired)
    if failure.repeats and same_intent and not _node_changed(observed, pod):
        hint = f"{failure.message} Once the node is right, delete the pod {pod['metadata']['name']}: it is made again at once."
        fields = {"lastFailure": failure_fields(failure, observed, pod)}
        return say(observed, blocked(failure.reason, hint), extra=fields)
    if not same_intent:
        told = waiting(Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed; the pod that failed is replaced.")
        fields = {"lastFailure": failure_fields(failure, observed, pod)}
        return say(observed, told, actions=(DeletePod(pods.uid(pod)),), extra=fields, status_first=True)
    return _replace(observed, pod, failure)


def _replace(observed: Observed, pod: pods.Pod, failure: Failure, *, force: bool = False) -> Plan:
    """Count the failure, then delete the pod; the next one is made when its time has come."""
    extra = _count_failure(observed, pod, failure)
    verdict = replace(waiting(Phase.RECOVERING, failure.reason, failure.message), trouble=True)
    return say(observed, verdict, actions=(DeletePod(pods.uid(pod), force=force),), extra=extra, status_first=True)


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
        "recreateAfter": format_time(observed.now + backoff.delay(count)),
    }


def _living(
    observed: Observed, environment: DindEnvironment, pod: pods.Pod, desired: dict[str, Any], policy: Policy
) -> Plan:
    if observed.node is not None and observed.node.gone:
        failure = Failure(Reason.NODE_LOST, f"The node {observed.node.name} is gone; the pod is made again elsewhere.")
        return _replace(observed, pod, failure, force=True)
    memory = plan_memory(environment.spec, policy.build)
    verdict = diagnose(pod, answered_before=_answered_before(observed, pod))
    verdict = storage.told(sandboxes.told(verdict, pod, observed.node, observed.now), observed, pod)
    freshness = up_to_date(pod, desired, environment.spec.update_policy)
    verdict = replace(verdict, parts={**verdict.parts, ConditionType.UP_TO_DATE: freshness.part})
    replaced = _replace_living(observed, environment, pod, freshness, verdict)
    if replaced is not None:
        return replaced
    missing = missing_metadata(pod, desired)
    actions = (RepairMetadata(missing),) if missing else ()
    reserve = memory.reserve if pods.memory_limited(pod) else None
    extra: dict[str, Any] = {"reserveMemory": reserve} if freshness.same_build else {}
    failure_now = failure_of(pod)
    if failure_now is not None:
        extra["lastFailure"] = failure_fields(failure_now, observed, pod)
    # No event tells of a sandbox that is not made.
    again = WAIT_SECONDS if sandboxes.waits(pod) else None
    return say(observed, verdict, actions=actions, extra=extra, requeue_after=again)


def _replace_living(
    observed: Observed, environment: DindEnvironment, pod: pods.Pod, freshness: Freshness, verdict: Verdict
) -> Plan | None:
    """Make a pod again that works, for another spec or another certificate; None to leave it."""
    problem = endpoint.problem(observed) if environment.spec.endpoint.enabled else None
    if freshness.replace and problem is not None:
        # The next pod could not be made; the one that works goes on.
        return replace(_keep(observed, blocked(problem.reason, problem.message)), requeue_after=WAIT_SECONDS)
    renew = environment.spec.update_policy is UpdatePolicy.RECREATE and endpoint.restart_wanted(observed, pod)
    if not freshness.replace and not renew:
        return None
    told = waiting(Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed; the pod is replaced.", verdict.parts)
    if not freshness.replace:
        message = "The daemon's certificate was replaced; the pod is made again to run with the new one."
        told = waiting(Phase.RECOVERING, Reason.CREDENTIALS_PENDING, message, verdict.parts)
    # Status first, for an old backoff is forgotten: an operator that ends in between must not leave one behind.
    return say(observed, told, actions=(DeletePod(pods.uid(pod)),), status_first=True)
