"""The condition ActivityKnown: whether the idle timeout of an environment can work. Without one it is absent.

Use is told by the daemon's log, as a full volume is. What was told last stands until it is told otherwise or the container
is another.
"""

from typing import Any

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.state.assessment import Condition
from dind_operator.state.observed import Observed


def wanted(environment: dict[str, Any]) -> bool:
    """Whether it matters if the environment is used."""
    return bool(((environment.get("spec") or {}).get("lifetime") or {}).get("idleTimeout"))


def condition(observed: Observed) -> Condition | None:
    """The condition ActivityKnown; None for an environment without an idle timeout."""
    if not wanted(observed.environment):
        return None
    if not observed.reads_logs:
        return Condition.false(
            Reason.POD_LOG_ACCESS_DISABLED,
            "spec.lifetime.idleTimeout does not work: whether the environment is used is told by the daemon's log, and this "
            "installation does not let the operator read pod logs. Have readPodLogs of the chart set to true, or use "
            "spec.lifetime.ttl.",
        )
    if observed.activity is not None:
        return _seen(seen=observed.activity.seen)
    kept = observed.kept_of_daemon(ConditionType.ACTIVITY_KNOWN, (Reason.ACTIVITY_KNOWN, Reason.ACTIVITY_UNAVAILABLE))
    if kept is not None:
        return _seen(seen=kept.reason is Reason.ACTIVITY_KNOWN)
    return Condition.unknown(
        Reason.NOT_CHECKED,
        "Nobody has told yet whether the environment is used: the daemon's log does, a minute after the daemon is ready. A pod "
        "that an older operator made never does; delete it once.",
    )


def _seen(*, seen: bool) -> Condition:
    if seen:
        return Condition.true(Reason.ACTIVITY_KNOWN, "The daemon's log tells whether the environment is used.")
    return Condition.false(
        Reason.ACTIVITY_UNAVAILABLE,
        "spec.lifetime.idleTimeout does not work: the pod's helper cannot see calls of the Docker API, because no access "
        "times are kept of the socket's file (the pod is of an older operator, or its runtime has a kernel of its own, as gVisor "
        "has). Delete the pod, so that one of this version is made, or use spec.lifetime.ttl.",
    )
