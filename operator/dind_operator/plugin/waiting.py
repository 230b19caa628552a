"""Waits for an environment to come to a state, and says meanwhile what it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from dind_operator.api.condition_types import ConditionType
from dind_operator.plugin import progress as state
from dind_operator.plugin.errors import CliError, Exit, NotFoundError
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress

STEP_SECONDS = 1.0
"""Between looks, as a person would look; one call of kubectl each."""
_SILENCE_SECONDS = 15
"""After which a user wants to know why nobody looks at his environment. An operator needs less than one."""
_NOBODY = "the operator has not looked at it yet: see that it runs (`kubectl get pods -A -l app.kubernetes.io/name=dind-operator`)"


class Goal(StrEnum):
    """What can be waited for."""

    READY = "ready"
    ENDPOINT = "endpoint"
    SUSPENDED = "suspended"
    DELETED = "deleted"


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
    """The environment at the goal, None where it is to be gone. Raises CliError (NOT_READY) when the time is over.

    ``uid``: with DELETED, the environment that is meant; one of the same name that was made since is another.
    """
    end, begun = clock() + seconds, clock()
    try:
        while True:
            environment, pod = _look(kubectl, name, goal)
            if goal is Goal.DELETED and _gone(environment, pod, uid):
                return None
            if environment is None and goal is not Goal.DELETED:
                raise NotFoundError(
                    f"there is no {kubectl.named(name)}. `kubectl dind list -A` lists the environments."
                )
            if environment is not None and _reached(environment, pod, goal):
                return environment
            now = _doing(environment, goal, clock() - begun)
            progress.tell(now)
            if clock() >= end:
                raise CliError(
                    f"{name} is not {goal.value} after {state.span(seconds)}: {now}. `kubectl dind report {name}` says more.",
                    Exit.NOT_READY,
                )
            sleep(min(STEP_SECONDS, max(end - clock(), 0.05)))
    finally:
        progress.done()


def _look(kubectl: Kubectl, name: str, goal: Goal) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The pod only where it is asked for: whoever waits for Ready need not be allowed to read pods."""
    if goal in (Goal.DELETED, Goal.SUSPENDED):
        return kubectl.environment_and_pod(name)
    try:
        return kubectl.environment(name), None
    except NotFoundError as error:
        if "does not know" in error.message:
            raise
        return None, None


def _gone(environment: dict[str, Any] | None, pod: dict[str, Any] | None, uid: str | None) -> bool:
    if environment is not None:
        return uid is not None and environment["metadata"]["uid"] != uid
    owners = {owner.get("uid") for owner in (pod or {}).get("metadata", {}).get("ownerReferences") or []}
    return pod is None or (uid is not None and uid not in owners)


def _reached(environment: dict[str, Any], pod: dict[str, Any] | None, goal: Goal) -> bool:
    if goal is Goal.SUSPENDED:
        return state.rests(environment) and pod is None
    if goal is Goal.DELETED:
        return False
    state.check_runs(environment)
    state.check_not_over(environment)
    if goal is Goal.READY:
        return state.holds(environment, ConditionType.READY)
    if not state.has_endpoint(environment):
        state.check_reachable(environment)
    return all(state.holds(environment, kind) for kind in state.ENDPOINT_AND_READY)


def _doing(environment: dict[str, Any] | None, goal: Goal, seconds: float) -> str:
    if environment is None:
        return "its pod is ending"
    if goal is Goal.SUSPENDED and not (state.suspended(environment) or state.expired(environment)):
        return "it runs, and nothing asks for its end"
    if seconds > _SILENCE_SECONDS and state.condition(environment, ConditionType.READY).get("reason") in (
        None,
        "Pending",
    ):
        return _NOBODY
    return state.doing(environment)
