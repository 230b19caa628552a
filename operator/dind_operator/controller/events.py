"""Plans with the status and the Events that follow from an assessment."""

from dataclasses import replace
from typing import Any, Final

from dind_operator.api.conditions import ConditionStatus, ConditionType, Reason
from dind_operator.controller.actions import Action, Plan
from dind_operator.controller.features import EVENT_REASONS, EVENTS, assess
from dind_operator.controller.pod_health import diagnose
from dind_operator.controller.status import build_status
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.cluster import Event
from dind_operator.state.observed import Observed

_READY_REASONS: Final = (
    Reason.READY,
    Reason.SUSPENDED,
    Reason.TTL_EXPIRED,
    Reason.IDLE_TIMEOUT_EXCEEDED,
    Reason.WORKLOADS_SUCCEEDED,
)
"""Reasons of Ready for which a Normal Event is recorded."""


def plan_with_status(
    observed: Observed,
    assessment: Assessment,
    *,
    actions: tuple[Action, ...] = (),
    extra: dict[str, Any] | None = None,
    requeue_after: float | None = None,
    status_first: bool = False,
    more_events: tuple[Event, ...] = (),
) -> Plan:
    """A plan with the status and the Events for an assessment. ``more_events`` are recorded in addition."""
    status = build_status(observed, assessment, extra)
    found = (
        *ready_events(observed, assessment),
        *changes(observed, status["conditions"]),
        *(event for events in EVENTS for event in events(observed, assessment)),
        *more_events,
    )
    return Plan(
        actions=actions,
        status=status,
        status_first=status_first,
        requeue_after=requeue_after,
        # The same problem may be reported in two conditions; one Event is recorded.
        events=tuple(dict.fromkeys(found)),
    )


def ready_events(observed: Observed, assessment: Assessment) -> tuple[Event, ...]:
    """An Event if the reason of Ready changes to a warning, or to one of the reasons above."""
    old = observed.reported(ConditionType.READY)
    if (
        not (assessment.warning or assessment.ready.reason in _READY_REASONS)
        or old.get("reason") == assessment.ready.reason
    ):
        return ()
    return (Event(assessment.ready.reason.value, assessment.ready.message, warning=assessment.warning),)


def changes(observed: Observed, conditions: list[dict[str, Any]]) -> tuple[Event, ...]:
    """A Warning Event for each condition whose reason changes to one of the features' ``event_reasons``."""
    found = []
    for item in conditions:
        worth = item["status"] != ConditionStatus.UNKNOWN and item["reason"] in EVENT_REASONS.get(item["type"], ())
        if worth and observed.reported(item["type"]).get("reason") != item["reason"]:
            found.append(Event(item["reason"], item["message"], warning=True))
    return tuple(found)


def keep_pod(observed: Observed, problem: Assessment) -> Plan:
    """The plan for a spec that cannot be applied: a running pod is kept, and UpToDate reports the problem."""
    pod = observed.pod
    if pod is None or pods.ended(pod) or pods.terminating(pod):
        return plan_with_status(observed, problem)
    assessment = assess(diagnose(pod, answered_before=answered_before(observed, pod)), observed, pod)
    stale = Condition.false(problem.ready.reason, problem.ready.message)
    assessment = replace(
        assessment, conditions={**assessment.conditions, ConditionType.UP_TO_DATE: stale}, refused=stale
    )
    if observed.reported(ConditionType.UP_TO_DATE).get("reason") == stale.reason:
        return plan_with_status(observed, assessment)
    # The condition Ready does not report the problem.
    return plan_with_status(observed, assessment, more_events=(Event(stale.reason.value, stale.message, warning=True),))


def answered_before(observed: Observed, pod: pods.Pod) -> bool:
    """Whether the daemon of the pod has responded before."""
    old = observed.reported(ConditionType.DAEMON_READY)
    answered = old.get("reason") in (Reason.READY, Reason.DAEMON_NOT_READY)
    return answered and (observed.environment.get("status") or {}).get("podUID") == pods.uid(pod)
