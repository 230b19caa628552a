"""Whether a pod is what its environment asks for now, and whether its labels and annotations are ours."""

from dataclasses import dataclass
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.spec import UpdatePolicy
from dind_operator.pod.variables import BUILD_VARIABLE, INTENT_VARIABLE
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition


@dataclass(frozen=True, slots=True)
class Freshness:
    """The condition UpToDate, and whether the pod is to be replaced now."""

    part: Condition
    replace: bool
    same_build: bool


def update_wanted(pod: pods.Pod, desired: dict[str, Any]) -> bool:
    """The user's intent changed since the pod was made."""
    return pods.variable(pod, INTENT_VARIABLE) != pods.variable(desired, INTENT_VARIABLE)


def up_to_date(pod: pods.Pod, desired: dict[str, Any], policy: UpdatePolicy) -> Freshness:
    """Compare a living pod with the one that would be made now."""
    if update_wanted(pod, desired):
        message = "The spec changed after the pod was created. With updatePolicy OnDelete, it applies when you delete the pod."
        replace = policy == UpdatePolicy.RECREATE
        return Freshness(Condition.false(Reason.SPEC_CHANGED, message), replace=replace, same_build=False)
    if pods.variable(pod, BUILD_VARIABLE) != pods.variable(desired, BUILD_VARIABLE):
        message = (
            "The operator or its settings changed after the pod was created. The change applies to the next pod. The operator does "
            "not replace the pod for it; delete the pod to apply the change now."
        )
        return Freshness(Condition.false(Reason.OPERATOR_CHANGED, message), replace=False, same_build=False)
    return Freshness(Condition.true(Reason.UP_TO_DATE, "The pod matches the spec."), replace=False, same_build=True)


def missing_metadata(pod: pods.Pod, desired: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Labels and annotations of ours that somebody edited or removed, as a merge patch; {} if none.

    The hash annotation shows what the pod was made from, so it is put back to that and not to what is wanted now. AppArmor's
    annotations cannot be changed after creation.
    """
    found: dict[str, dict[str, str]] = {}
    for field in ("labels", "annotations"):
        present = pod["metadata"].get(field) or {}
        wanted = dict(desired["metadata"][field])
        if field == "annotations":
            wanted = {key: value for key, value in wanted.items() if not key.startswith("container.apparmor")}
            wanted["dind.dev/intent-hash"] = pods.variable(pod, INTENT_VARIABLE) or wanted["dind.dev/intent-hash"]
        changed = {key: value for key, value in wanted.items() if present.get(key) != value}
        if changed:
            found[field] = changed
    return found
