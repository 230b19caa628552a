"""Whose pod stands under the environment's name."""

from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.status import Phase
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Verdict, blocked, waiting


def stranger(pod: pods.Pod | None, environment: dict[str, Any]) -> Verdict | None:
    """What to say if the pod is not the own one of the environment with this metadata; None if it is, or there is none."""
    if pod is None:
        return None
    owner = pods.controller(pod)
    if owner is not None and owner.get("uid") == environment["uid"]:
        return None
    name = environment["name"]
    if pods.owner_name(pod) == name:
        message = f"A pod of an earlier environment {name} is still being removed; a new one follows."
        return waiting(Phase.PENDING, Reason.WAITING_FOR_PREVIOUS_POD, message)
    held = f"owned by {owner.get('kind')} {owner.get('name')}" if owner else "not owned by anything"
    return blocked(
        Reason.POD_CONFLICT,
        f"A pod named {name} exists in the namespace {environment['namespace']} and is {held}; the operator does not touch "
        "it. Delete that pod, or give the environment another name.",
    )
