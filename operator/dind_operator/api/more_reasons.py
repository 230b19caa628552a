"""Reasons that had no room beside the others: word, meaning, what to do. They are members of ``reasons.Reason``."""

from __future__ import annotations

from typing import Final

# Where nested containers are
ISOLATION_VERIFIED: Final = (
    "IsolationVerified",
    "A container that the Docker API started is in a cgroup below the pod's.",
)
NESTED_OUTSIDE_POD: Final = (
    "NestedOutsidePod",
    "A container that the Docker API started is outside the pod's cgroup: the pod's limits do not hold it.",
    ("Use a daemon image with an unchanged dockerd, and delete the pod to start again."),
)

# How long an environment lives, and whether it is used
TIME_TO_LIVE_OVER: Final = (
    "TimeToLiveOver",
    "The environment has lived as long as `spec.lifetime.ttl` allows.",
    "Raise or remove `spec.lifetime.ttl`, or set the annotation `dind.dev/extend-until` to a later time.",
)
IDLE_TOO_LONG: Final = (
    "IdleTooLong",
    "Nobody has used the environment for as long as `spec.lifetime.idleTimeout` allows.",
    "Set the annotation `dind.dev/extend-until` to a later time, or raise or remove `spec.lifetime.idleTimeout`.",
)
ACTIVITY_KNOWN: Final = "ActivityKnown", "The pod's helper tells, by the daemon's log, whether the environment is used."
POD_LOGS_NOT_READ: Final = (
    "PodLogsNotRead",
    "The installation does not let the operator read pod logs, so the idle timeout does not work.",
    "Have `readPodLogs` of the chart set to true, or use `spec.lifetime.ttl`.",
)
ACTIVITY_NOT_SEEN: Final = (
    "ActivityNotSeen",
    "The pod's helper cannot see calls of the Docker API, so the idle timeout does not work.",
    "Delete the pod, so that one of this version is made, or use `spec.lifetime.ttl`.",
)

# Whether the pod follows the spec
UP_TO_DATE: Final = "UpToDate", "The pod is made from the present spec by the present operator."
SPEC_CHANGED: Final = (
    "SpecChanged",
    "The spec changed in a way that needs a new pod.",
    ("With updatePolicy OnDelete, delete the pod when it suits you."),
)
OPERATOR_CHANGED: Final = (
    "OperatorChanged",
    "The operator was upgraded and would make the pod differently.",
    ("Nothing has to be done; the change is applied when the pod is next made. Delete the pod to have it now."),
)
