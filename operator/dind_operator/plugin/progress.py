"""What an environment is doing, in words, and whether it can be used: read from its conditions alone. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dind_operator.api.condition_types import ConditionType
from dind_operator.api.reasons import Reason
from dind_operator.api.spec import OperatingMode
from dind_operator.api.timestamps import parse_time
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.extension import kept_until
from dind_operator.report.redact import visible

Object = dict[str, Any]
ENDPOINT_AND_READY = (ConditionType.READY, ConditionType.ENDPOINT_READY)
_STEPS = {
    Reason.PENDING: "waiting for the operator to look at it",
    Reason.POD_PENDING: "the pod waits for a node, or for its image",
    Reason.INITIALIZING: "the node's cgroups and the docker volume are being checked",
    Reason.DAEMON_STARTING: "the Docker daemon is starting",
    Reason.DAEMON_NOT_READY: "the Docker daemon is too busy to answer",
    Reason.SUSPENDING: "the pod is ending",
    Reason.SUSPENDED: "suspended: there is no pod",
    Reason.TERMINATING: "the old pod is shutting down, a new one follows",
    Reason.WAITING_FOR_PREVIOUS_POD: "a pod of an earlier environment of this name is still ending",
}
"""Words for what goes its way. Everything else is told by the condition's own message, which says what to do."""


def condition(environment: Object, kind: ConditionType) -> Object:
    """The condition, if it was said of the present spec; {} otherwise."""
    generation = environment["metadata"].get("generation")
    for item in (environment.get("status") or {}).get("conditions") or []:
        if item.get("type") == kind.value and item.get("observedGeneration", generation) == generation:
            return dict(item)
    return {}


def holds(environment: Object, kind: ConditionType) -> bool:
    """Whether the condition is True of the present spec."""
    return bool(condition(environment, kind).get("status") == "True")


def suspended(environment: Object) -> bool:
    """Whether its spec asks for no pod."""
    return (environment.get("spec") or {}).get("operatingMode") == OperatingMode.SUSPENDED


def expired(environment: Object) -> bool:
    """Whether its lifetime has ended, as the operator says. An extension counts before the operator has acted on it."""
    kept = kept_until(environment)
    if kept is not None and kept > datetime.now(UTC):
        return False
    return bool(((environment.get("status") or {}).get("lifetime") or {}).get("expired"))


def has_endpoint(environment: Object) -> bool:
    """Whether its spec asks for an endpoint. It is on where nothing is said."""
    return ((environment.get("spec") or {}).get("endpoint") or {}).get("enabled") is not False


def rests(environment: Object) -> bool:
    """Whether it is suspended, for whatever cause, and its pod is gone."""
    ready = condition(environment, ConditionType.READY)
    return ready.get("reason") in (Reason.SUSPENDED, Reason.TTL_EXPIRED, Reason.IDLE_TIMEOUT_EXCEEDED)


def doing(environment: Object) -> str:
    """What it does now, as half a sentence."""
    if environment["metadata"].get("deletionTimestamp"):
        return "being deleted"
    ready = condition(environment, ConditionType.READY)
    reason, message = ready.get("reason"), visible(str(ready.get("message") or ""))
    if not ready or reason == Reason.PENDING:
        return _STEPS[Reason.PENDING]
    if ready.get("status") == "True":
        return _endpoint(environment)
    words = _STEPS.get(reason) if isinstance(reason, str) else None  # type: ignore[call-overload]
    if words is None:
        return f"{visible(str(reason))}: {message}"
    node = (environment.get("status") or {}).get("nodeName")
    return f"{words} (on {visible(str(node))})" if node and reason in _ON_A_NODE else words


_ON_A_NODE = (Reason.INITIALIZING, Reason.DAEMON_STARTING, Reason.DAEMON_NOT_READY)


def _endpoint(environment: Object) -> str:
    endpoint = condition(environment, ConditionType.ENDPOINT_READY)
    if not has_endpoint(environment) or endpoint.get("status") == "True":
        return "ready"
    if not endpoint:
        return "the Docker daemon answers; its endpoint is being made"
    return f"the Docker daemon answers; its endpoint does not yet: {visible(str(endpoint.get('message') or ''))}"


def check_runs(environment: Object) -> None:
    """Raises CliError if there is, and will be, no pod: suspended, expired, being deleted."""
    name = environment["metadata"]["name"]
    if environment["metadata"].get("deletionTimestamp"):
        raise CliError(f"{name} is being deleted.", Exit.NOT_USABLE)
    if suspended(environment):
        raise CliError(
            f"{name} is suspended: it has no pod. `kubectl dind resume {name}` brings it back.", Exit.NOT_USABLE
        )
    if expired(environment):
        raise CliError(
            f"{name} has expired: it has no pod. `kubectl dind extend {name} 8h` brings it back.", Exit.NOT_USABLE
        )


def check_not_over(environment: Object) -> None:
    """Raises CliError if its workloads have ended: its daemon has gone with them, and does not come back by itself."""
    ready = condition(environment, ConditionType.READY)
    if ready.get("reason") in _OVER:
        name = environment["metadata"]["name"]
        raise CliError(
            f"{name} is over: {visible(str(ready.get('message') or ''))} Raise spec.workloads.run to run it again.",
            Exit.NOT_USABLE,
        )


_OVER = (Reason.WORKLOADS_SUCCEEDED, Reason.WORKLOADS_FAILED, Reason.WORKLOADS_LOST)


def check_reachable(environment: Object) -> None:
    """Raises CliError if its endpoint cannot be used now; the message says why and what to do."""
    check_runs(environment)
    check_not_over(environment)
    name = environment["metadata"]["name"]
    if not has_endpoint(environment):
        raise CliError(
            f"{name} has no endpoint: its spec.endpoint.enabled is false. Set it to true, or use `kubectl dind shell {name}`.",
            Exit.NOT_USABLE,
        )
    if not all(holds(environment, kind) for kind in ENDPOINT_AND_READY):
        raise CliError(
            f"{name} is not ready: {doing(environment)}. Wait with: kubectl dind wait {name}", Exit.NOT_READY
        )


def age(environment: Object, now: datetime) -> str:
    """How old it is, as kubectl writes it: 12s, 5m, 3h, 9d."""
    created = parse_time(environment["metadata"].get("creationTimestamp"))
    return span((now - created).total_seconds()) if created else "?"


def span(seconds: float) -> str:
    """A length of time in its largest whole unit."""
    whole = max(int(seconds), 0)
    # Below these, the smaller unit is still the more telling one.
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if whole < limit:
            return f"{whole // size}{unit}"
    return f"{whole // 86400}d"
