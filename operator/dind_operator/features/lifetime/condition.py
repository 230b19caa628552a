"""The condition ActivityKnown: whether the idle timeout of an environment works. It is absent without an idle timeout.

The daemon logs its use, like a full volume. The last report is valid until the next one, or until the container is replaced.
"""

from typing import Any

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.state.assessment import Condition
from dind_operator.state.observed import Observed


def enabled(environment: dict[str, Any]) -> bool:
    """Whether the environment has an idle timeout."""
    return bool(((environment.get("spec") or {}).get("lifetime") or {}).get("idleTimeout"))


def condition(observed: Observed) -> Condition | None:
    """The condition ActivityKnown; None for an environment without an idle timeout."""
    if not enabled(observed.environment):
        return None
    if not observed.reads_logs:
        return Condition.false(
            Reason.POD_LOG_ACCESS_DISABLED,
            "spec.lifetime.idleTimeout has no effect: the daemon logs whether the environment is used, but the operator is not "
            "permitted to read pod logs. Ask an administrator to set readPodLogs of the chart to true, or use spec.lifetime.ttl.",
        )
    if observed.activity is not None:
        return _seen(seen=observed.activity.seen)
    kept = observed.kept_of_daemon(ConditionType.ACTIVITY_KNOWN, (Reason.ACTIVITY_KNOWN, Reason.ACTIVITY_UNAVAILABLE))
    if kept is not None:
        return _seen(seen=kept.reason is Reason.ACTIVITY_KNOWN)
    return Condition.unknown(
        Reason.NOT_CHECKED,
        "It is not known yet whether the environment is used. The daemon logs this about a minute after it is ready. If an older "
        "version of the operator created the pod, delete the pod.",
    )


def _seen(*, seen: bool) -> Condition:
    if seen:
        return Condition.true(Reason.ACTIVITY_KNOWN, "The daemon logs whether the environment is used.")
    return Condition.false(
        Reason.ACTIVITY_UNAVAILABLE,
        "spec.lifetime.idleTimeout has no effect: requests to the Docker API cannot be detected, because the file system of the "
        "socket does not record access times. An older version of the operator created the pod, or the container runtime has its own "
        "kernel, such as gVisor. Delete the pod to create it again with this version, or use spec.lifetime.ttl.",
    )
