"""Pods with the name of the environment that the environment does not control."""

from typing import Any

from dind_operator.api import names
from dind_operator.api.conditions import Reason
from dind_operator.api.status import Phase
from dind_operator.pod.variables import INTENT_VARIABLE
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Assessment, blocked, waiting


def orphaned(pod: pods.Pod) -> bool:
    """Whether the operator created this pod and no object controls it any more, as after `kubectl delete --cascade=orphan`."""
    metadata = pod["metadata"]
    made = names.ANNOTATION_ENVIRONMENT_UID in (metadata.get("annotations") or {}) and pods.variable(
        pod, INTENT_VARIABLE
    )
    return bool(made) and pods.watched(pod) and pods.controller(pod) is None


def conflict(pod: pods.Pod | None, environment: dict[str, Any]) -> Assessment | None:
    """The assessment for a pod that the environment does not control; None without such a pod."""
    if pod is None:
        return None
    owner = pods.controller(pod)
    if owner is not None and owner.get("uid") == environment["uid"]:
        return None
    name = environment["name"]
    if pods.owner_name(pod) == name or orphaned(pod):
        message = f"The pod of a previous instance of the environment {name} is terminating. The operator then creates a new pod."
        return waiting(Phase.PENDING, Reason.WAITING_FOR_PREVIOUS_POD, message)
    held = f"controlled by {owner.get('kind')} {owner.get('name')}" if owner else "controlled by no owner"
    return blocked(
        Reason.POD_CONFLICT,
        f"The namespace {environment['namespace']} has a pod named {name} that is {held}. The operator does not change it. "
        "Delete that pod, or give the environment another name.",
    )
