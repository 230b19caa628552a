"""The current state of an environment as text, and whether it can be used. Reads only its metadata, spec and status."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dind_operator.api.condition_types import ConditionType
from dind_operator.api.reasons import Reason
from dind_operator.api.spec import OperatingMode
from dind_operator.api.timestamps import parse_time
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.extension import extended_until
from dind_operator.report.redact import visible

Object = dict[str, Any]
ENDPOINT_AND_READY = (ConditionType.READY, ConditionType.ENDPOINT_READY)
_STEPS = {
    Reason.PENDING: "waiting for the operator to process the environment",
    Reason.POD_PENDING: "the pod is waiting for a node or an image",
    Reason.INITIALIZING: "the init container is checking the node",
    Reason.DAEMON_STARTING: "the Docker daemon is starting",
    Reason.DAEMON_NOT_READY: "the Docker daemon does not respond in time",
    Reason.SUSPENDING: "the pod is terminating",
    Reason.SUSPENDED: "suspended, without a pod",
    Reason.TERMINATING: "the previous pod is terminating; a new pod follows",
    Reason.WAITING_FOR_PREVIOUS_POD: "the pod of a deleted environment with this name is still terminating",
}
"""Texts for the reasons that need no action. For other reasons, the message of the condition says what to do."""


def condition(environment: Object, kind: ConditionType) -> Object:
    """The condition, if it was observed for the current generation of the spec; {} otherwise."""
    generation = environment["metadata"].get("generation")
    for item in (environment.get("status") or {}).get("conditions") or []:
        if item.get("type") == kind.value and item.get("observedGeneration", generation) == generation:
            return dict(item)
    return {}


def is_true(environment: Object, kind: ConditionType) -> bool:
    """Whether the condition is True for the current generation of the spec."""
    return bool(condition(environment, kind).get("status") == "True")


def suspended(environment: Object) -> bool:
    """Whether spec.operatingMode is Suspended."""
    return (environment.get("spec") or {}).get("operatingMode") == OperatingMode.SUSPENDED


def expired(environment: Object) -> bool:
    """Whether the operator has reported the expiry. A later extension takes effect before the operator processes it."""
    extended = extended_until(environment)
    if extended is not None and extended > datetime.now(UTC):
        return False
    return bool(((environment.get("status") or {}).get("lifetime") or {}).get("expired"))


def has_endpoint(environment: Object) -> bool:
    """Whether the endpoint is enabled in the spec. It is enabled by default."""
    return ((environment.get("spec") or {}).get("endpoint") or {}).get("enabled") is not False


def is_stopped(environment: Object) -> bool:
    """Whether the operator reports the environment as suspended or expired, which it does once the pod is deleted."""
    ready = condition(environment, ConditionType.READY)
    return ready.get("reason") in (Reason.SUSPENDED, Reason.TTL_EXPIRED, Reason.IDLE_TIMEOUT_EXCEEDED)


def describe(environment: Object) -> str:
    """The current state, such as "the Docker daemon is starting"."""
    if environment["metadata"].get("deletionTimestamp"):
        return "being deleted"
    ready = condition(environment, ConditionType.READY)
    reason, message = ready.get("reason"), visible(str(ready.get("message") or ""))
    if not ready or reason == Reason.PENDING:
        return _STEPS[Reason.PENDING]
    if ready.get("status") == "True":
        return _describe_endpoint(environment)
    text = _STEPS.get(reason) if isinstance(reason, str) else None  # type: ignore[call-overload]
    if text is None:
        return f"{visible(str(reason))}: {message}"
    node = (environment.get("status") or {}).get("nodeName")
    return f"{text} (on {visible(str(node))})" if node and reason in _ON_A_NODE else text


_ON_A_NODE = (Reason.INITIALIZING, Reason.DAEMON_STARTING, Reason.DAEMON_NOT_READY)


def _describe_endpoint(environment: Object) -> str:
    endpoint = condition(environment, ConditionType.ENDPOINT_READY)
    if not has_endpoint(environment) or endpoint.get("status") == "True":
        return "ready"
    if not endpoint:
        return "the Docker daemon is ready; its endpoint is being created"
    return f"the Docker daemon is ready; its endpoint is not ready: {visible(str(endpoint.get('message') or ''))}"


def check_not_stopped(environment: Object) -> None:
    """Raises CliError if the environment is suspended, expired or being deleted, and so has no pod or loses it."""
    name = environment["metadata"]["name"]
    if environment["metadata"].get("deletionTimestamp"):
        raise CliError(f"{name} is being deleted.", Exit.NOT_USABLE)
    if suspended(environment):
        raise CliError(
            f"{name} is suspended and has no pod. Resume it with: kubectl dind resume {name}", Exit.NOT_USABLE
        )
    if expired(environment):
        raise CliError(
            f"{name} has expired and has no pod. Extend it with: kubectl dind extend {name} 8h", Exit.NOT_USABLE
        )


def check_not_completed(environment: Object) -> None:
    """Raises CliError if the workloads have completed. The daemon stops with them and is not started again."""
    ready = condition(environment, ConditionType.READY)
    if ready.get("reason") in _COMPLETED:
        name = environment["metadata"]["name"]
        raise CliError(
            f"{name} has completed: {visible(str(ready.get('message') or ''))} Increase spec.workloads.run to run it again.",
            Exit.NOT_USABLE,
        )


_COMPLETED = (Reason.WORKLOADS_SUCCEEDED, Reason.WORKLOADS_FAILED, Reason.WORKLOADS_LOST)


def check_endpoint(environment: Object) -> None:
    """Raises CliError if the endpoint cannot be used now. The message says why and what to do."""
    check_not_stopped(environment)
    check_not_completed(environment)
    name = environment["metadata"]["name"]
    if not has_endpoint(environment):
        raise CliError(
            f"{name} has no endpoint: spec.endpoint.enabled is false. Set it to true, or use: kubectl dind shell {name}",
            Exit.NOT_USABLE,
        )
    if not all(is_true(environment, kind) for kind in ENDPOINT_AND_READY):
        raise CliError(
            f"{name} is not ready: {describe(environment)}. Wait with: kubectl dind wait {name} --for endpoint",
            Exit.NOT_READY,
        )


def age(environment: Object, now: datetime) -> str:
    """The time since the creation, as kubectl prints it: 12s, 5m, 3h, 9d."""
    created = parse_time(environment["metadata"].get("creationTimestamp"))
    return format_duration((now - created).total_seconds()) if created else "?"


def format_duration(seconds: float) -> str:
    """A duration in one unit."""
    whole = max(int(seconds), 0)
    # Up to these limits, the smaller unit is more precise and still short.
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if whole < limit:
            return f"{whole // size}{unit}"
    return f"{whole // 86400}d"
