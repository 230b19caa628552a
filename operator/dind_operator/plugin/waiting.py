"""Waits until an environment reaches a state, and prints the progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from dind_operator.api.condition_types import ConditionType
from dind_operator.plugin import progress as state
from dind_operator.plugin.errors import CliError, Exit, NotFoundError, NotInstalledError
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress

POLL_SECONDS = 1.0
"""The interval between two polls. Each poll is one call of kubectl."""
_UNPROCESSED_SECONDS = 15
"""The time after which the progress suggests checking the operator. A running operator needs less than a second."""
_UNPROCESSED = (
    "the operator has not processed the environment yet. Check that the operator is running: "
    "kubectl get pods -A -l app.kubernetes.io/name=dind-operator"
)


class Goal(StrEnum):
    """The states to wait for."""

    READY = "ready"
    ENDPOINT = "endpoint"
    SUSPENDED = "suspended"
    DELETED = "deleted"


_NOT_REACHED = {
    Goal.READY: "{name} is not ready",
    Goal.ENDPOINT: "the endpoint of {name} is not ready",
    Goal.SUSPENDED: "{name} is not suspended",
    Goal.DELETED: "{name} is not deleted",
}


def wait_for(
    kubectl: Kubectl,
    name: str,
    goal: Goal,
    seconds: float,
    progress: Progress,
    *,
    uid: str | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Returns the environment once it has reached the goal; None for DELETED. Raises CliError (NOT_READY) after ``seconds``.

    ``uid``: with DELETED, the UID of the environment. A new environment with the same name counts as deleted.
    """
    start, end = clock(), clock() + seconds
    try:
        while True:
            environment, pod = _read(kubectl, name, goal)
            if goal is Goal.DELETED and _is_deleted(environment, pod, uid):
                return None
            if environment is None and goal is not Goal.DELETED:
                raise NotFoundError(
                    f"there is no {kubectl.describe(name)}. `kubectl dind list -A` lists the environments."
                )
            if environment is not None and _reached(environment, pod, goal):
                return environment
            current = _describe(environment, goal, clock() - start)
            progress.update(current)
            if clock() >= end:
                raise CliError(
                    f"{_NOT_REACHED[goal].format(name=name)} after {state.format_duration(seconds)}: {current}. "
                    f"For details, run: kubectl dind report {name}",
                    Exit.NOT_READY,
                )
            sleep(min(POLL_SECONDS, max(end - clock(), 0.05)))
    finally:
        progress.done()


def _read(kubectl: Kubectl, name: str, goal: Goal) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The environment, and its pod if the goal depends on it. To wait for Ready, no permission for pods is required."""
    if goal in (Goal.DELETED, Goal.SUSPENDED):
        return kubectl.environment_and_pod(name)
    try:
        return kubectl.environment(name), None
    except NotInstalledError:
        raise
    except NotFoundError:
        return None, None


def _is_deleted(environment: dict[str, Any] | None, pod: dict[str, Any] | None, uid: str | None) -> bool:
    if environment is not None:
        return uid is not None and environment["metadata"]["uid"] != uid
    owners = {owner.get("uid") for owner in (pod or {}).get("metadata", {}).get("ownerReferences") or []}
    return pod is None or (uid is not None and uid not in owners)


def _reached(environment: dict[str, Any], pod: dict[str, Any] | None, goal: Goal) -> bool:
    if goal is Goal.SUSPENDED:
        return state.is_stopped(environment) and pod is None
    if goal is Goal.DELETED:
        return False
    state.check_not_stopped(environment)
    state.check_not_completed(environment)
    if goal is Goal.READY:
        return state.is_true(environment, ConditionType.READY)
    if not state.has_endpoint(environment):
        state.check_endpoint(environment)
    return all(state.is_true(environment, kind) for kind in state.ENDPOINT_AND_READY)


def _describe(environment: dict[str, Any] | None, goal: Goal, seconds: float) -> str:
    if environment is None:
        return "the pod is terminating"
    if goal is Goal.SUSPENDED and not (state.suspended(environment) or state.expired(environment)):
        return "the environment is running and neither suspended nor expired"
    if seconds > _UNPROCESSED_SECONDS and state.condition(environment, ConditionType.READY).get("reason") in (
        None,
        "Pending",
    ):
        return _UNPROCESSED
    return state.describe(environment)
