"""From what was observed to what is to be done: pure and total. Applied twice, the second time does nothing."""

from dataclasses import replace
from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import ConditionType, Reason, format_time
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.spec import OperatingMode
from dind_operator.api.status import Phase
from dind_operator.build.errors import UnbuildableError
from dind_operator.build.memory import plan_memory
from dind_operator.build.pod import daemon_pod
from dind_operator.reconcile import backoff, folders, lifetimes, ownership, pods, sandboxes, storage
from dind_operator.reconcile.actions import (
    NOTHING,
    Action,
    CreatePod,
    DeleteEnvironment,
    DeletePod,
    Plan,
    RepairMetadata,
)
from dind_operator.reconcile.cluster import Note
from dind_operator.reconcile.diagnosis import diagnose, failure_of
from dind_operator.reconcile.failures import Failure, pod_failure
from dind_operator.reconcile.isolation import isolation_note
from dind_operator.reconcile.observed import Observed, Policy
from dind_operator.reconcile.status import build_status, failure_fields
from dind_operator.reconcile.updates import missing_metadata, up_to_date, update_wanted
from dind_operator.reconcile.verdict import Part, Verdict, blocked, waiting

WAIT_SECONDS = 15.0
"""How soon to look again at something whose end no watch may tell (a node that is lost, a predecessor)."""


_TOLD = (Reason.READY, Reason.SUSPENDED, Reason.TIME_TO_LIVE_OVER, Reason.IDLE_TOO_LONG)


def make_plan(observed: Observed, policy: Policy) -> Plan:
    """What to do about one environment."""
    if observed.environment["metadata"].get("deletionTimestamp") or _namespace_terminating(observed):
        return NOTHING
    closed = _closed(observed) if policy.require_namespace_label else None
    if closed is not None:
        return closed
    life = lifetimes.of(observed)
    if life.over is not None and life.deletes:
        return _delete(observed, life.over)
    stranger = ownership.stranger(observed.pod, observed.environment["metadata"])
    if stranger is not None:
        # Pods are watched by our label, which a stranger need not carry: its end may come unseen.
        return say(observed, stranger, requeue_after=WAIT_SECONDS)
    try:
        environment = DindEnvironment.from_dict(observed.environment)
    except InvalidEnvironment as error:
        return _keep(observed, blocked(Reason.INVALID_SPEC, str(error)))
    if observed.pod is not None and pods.terminating(observed.pod):
        return _going(observed, environment, observed.pod, life.over)
    if environment.spec.operating_mode == OperatingMode.SUSPENDED or life.over is not None:
        return _suspend(observed, life.over)
    try:
        desired = daemon_pod(environment, policy.build)
    except UnbuildableError as error:
        return _keep(observed, blocked(error.reason, error.message))
    return _toward(observed, environment, desired, policy)


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


def _namespace_terminating(observed: Observed) -> bool:
    return bool(observed.namespace and observed.namespace["metadata"].get("deletionTimestamp"))


def _closed(observed: Observed) -> Plan | None:
    """What to do in a namespace that is not open for environments; None if it is open."""
    if observed.namespace is None:
        # An environment may be seen before its new namespace is; to call that closed would be false.
        return Plan(requeue_after=WAIT_SECONDS)
    labels = observed.namespace["metadata"].get("labels") or {}
    if labels.get(names.NAMESPACE_LABEL) == names.NAMESPACE_LABEL_VALUE:
        return None
    # Nothing expires here, so nothing is warned of, nor said to have been.
    kept = {"lifetime": (observed.environment.get("status") or {}).get("lifetime")}
    told = say(observed, blocked(Reason.NAMESPACE_NOT_ENABLED, _not_enabled(observed)), extra=kept)
    return replace(told, notes=tuple(note for note in told.notes if note.reason != lifetimes.EXPIRES_SOON))


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
            *storage.notes(verdict, observed),
            *lifetimes.of(observed).notes,
        ),
    )


def _notes(observed: Observed, verdict: Verdict) -> tuple[Note, ...]:
    """An Event when Ready takes another reason that is worth telling: trouble, Ready, Suspended, expired."""
    old = observed.told(ConditionType.READY)
    if not (verdict.trouble or verdict.ready.reason in _TOLD) or old.get("reason") == verdict.ready.reason:
        return ()
    return (Note(verdict.ready.reason.value, verdict.ready.message, warning=verdict.trouble),)


def _keep(observed: Observed, problem: Verdict) -> Plan:
    """The spec cannot be followed: a pod that works goes on with what it has, and the problem is told."""
    pod = observed.pod
    if pod is None or pods.ended(pod) or pods.terminating(pod):
        return say(observed, problem)
    verdict = storage.told(diagnose(pod, answered_before=_answered_before(observed, pod)), observed, pod)
    stale = Part.false(problem.ready.reason, problem.ready.message)
    return say(observed, replace(verdict, parts={**verdict.parts, ConditionType.UP_TO_DATE: stale}))


def _answered_before(observed: Observed, pod: pods.Pod) -> bool:
    old = observed.told(ConditionType.DAEMON_READY)
    answered = old.get("reason") in (Reason.READY, Reason.DAEMON_NOT_READY)
    return answered and (observed.environment.get("status") or {}).get("podUID") == pods.uid(pod)


def _going(observed: Observed, environment: DindEnvironment, pod: pods.Pod, over: lifetimes.End | None) -> Plan:
    """Wait for a pod that is being deleted; help only where no kubelet will ever confirm it."""
    gone = observed.node is not None and observed.node.gone
    actions = (DeletePod(pods.uid(pod), force=True),) if gone else ()
    if environment.spec.operating_mode == OperatingMode.SUSPENDED or over is not None:
        verdict = _suspending(observed, over)
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


def _suspend(observed: Observed, over: lifetimes.End | None) -> Plan:
    """No pod, everything else kept: because the spec says so, or because the environment has expired."""
    if observed.pod is None:
        if over is not None:
            return say(observed, waiting(Phase.SUSPENDED, over.reason, lifetimes.ended(observed, over)))
        told = "Suspended by spec.operatingMode; there is no pod."
        return say(observed, waiting(Phase.SUSPENDED, Reason.SUSPENDED, told))
    failed = pods.ended(observed.pod)
    return say(
        observed,
        _suspending(observed, over),
        actions=(DeletePod(pods.uid(observed.pod)),),
        extra={"lastFailure": failure_fields(pod_failure(observed.pod), observed, observed.pod)} if failed else None,
        status_first=True,
        requeue_after=WAIT_SECONDS,
    )


def _suspending(observed: Observed, over: lifetimes.End | None) -> Verdict:
    if over is not None:
        return waiting(Phase.SUSPENDING, over.reason, lifetimes.ended(observed, over))
    return waiting(Phase.SUSPENDING, Reason.SUSPENDING, "The daemon is shutting down.")


def _delete(observed: Observed, over: lifetimes.End) -> Plan:
    """The environment has expired and is deleted; its pod goes with it. What is told before is told while it is there."""
    message = (
        f"The environment's {over.what} ended at {format_time(over.at)}; it is deleted, as spec.lifetime.expire asks."
    )
    verdict = waiting(Phase.TERMINATING, over.reason, message)
    found = say(observed, verdict, actions=(DeleteEnvironment(),), status_first=True)
    return replace(found, notes=_notes(observed, verdict))


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
    verdict = waiting(Phase.PENDING, Reason.POD_PENDING, "The pod is made and waits for the scheduler.")
    return say(observed, verdict, actions=(CreatePod(desired),))


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
    if freshness.replace:
        told = waiting(Phase.RECOVERING, Reason.SPEC_CHANGED, "The spec changed; the pod is replaced.", verdict.parts)
        # Status first, for an old backoff is forgotten: an operator that ends in between must not leave one behind.
        return say(observed, told, actions=(DeletePod(pods.uid(pod)),), status_first=True)
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
