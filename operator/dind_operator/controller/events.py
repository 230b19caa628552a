"""What a plan says: the status that follows from a verdict, and the Events about what is worth one."""

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
"""Reasons of Ready that are no trouble and worth an Event."""


def say(
    observed: Observed,
    assessment: Assessment,
    *,
    actions: tuple[Action, ...] = (),
    extra: dict[str, Any] | None = None,
    requeue_after: float | None = None,
    status_first: bool = False,
    also: tuple[Event, ...] = (),
) -> Plan:
    """A plan with the status that follows from a verdict, and its Events; ``also`` are some that no condition here tells of."""
    status = build_status(observed, assessment, extra)
    found = (
        *ready_events(observed, assessment),
        *changes(observed, status["conditions"]),
        *(event for events in EVENTS for event in events(observed, assessment)),
        *also,
    )
    return Plan(
        actions=actions,
        status=status,
        status_first=status_first,
        requeue_after=requeue_after,
        # What is wrong with the endpoint may also be why there is no pod: one Event.
        events=tuple(dict.fromkeys(found)),
    )


def ready_events(observed: Observed, assessment: Assessment) -> tuple[Event, ...]:
    """An Event when Ready takes another reason that is worth one: a warning, Ready, Suspended, expired."""
    old = observed.reported(ConditionType.READY)
    if (
        not (assessment.warning or assessment.ready.reason in _READY_REASONS)
        or old.get("reason") == assessment.ready.reason
    ):
        return ()
    return (Event(assessment.ready.reason.value, assessment.ready.message, warning=assessment.warning),)


def changes(observed: Observed, conditions: list[dict[str, Any]]) -> tuple[Event, ...]:
    """An Event for each condition that takes another reason, if that is worth one."""
    found = []
    for item in conditions:
        worth = item["status"] != ConditionStatus.UNKNOWN and item["reason"] in EVENT_REASONS.get(item["type"], ())
        if worth and observed.reported(item["type"]).get("reason") != item["reason"]:
            found.append(Event(item["reason"], item["message"], warning=True))
    return tuple(found)


def keep(observed: Observed, problem: Assessment) -> Plan:
    """The spec cannot be followed: a pod that works goes on with what it has, and the problem is told."""
    pod = observed.pod
    if pod is None or pods.ended(pod) or pods.terminating(pod):
        return say(observed, problem)
    assessment = assess(diagnose(pod, answered_before=answered_before(observed, pod)), observed, pod)
    stale = Condition.false(problem.ready.reason, problem.ready.message)
    assessment = replace(assessment, conditions={**assessment.conditions, ConditionType.UP_TO_DATE: stale})
    if observed.reported(ConditionType.UP_TO_DATE).get("reason") == stale.reason:
        return say(observed, assessment)
    # Ready does not tell of it.
    return say(observed, assessment, also=(Event(stale.reason.value, stale.message, warning=True),))


def answered_before(observed: Observed, pod: pods.Pod) -> bool:
    """Whether the daemon of that pod was seen to answer once."""
    old = observed.reported(ConditionType.DAEMON_READY)
    answered = old.get("reason") in (Reason.READY, Reason.DAEMON_NOT_READY)
    return answered and (observed.environment.get("status") or {}).get("podUID") == pods.uid(pod)
