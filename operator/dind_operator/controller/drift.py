"""Compares a pod with the desired pod: spec, build, labels and annotations."""

from dataclasses import dataclass
from typing import Any

from dind_operator.api.conditions import Reason
from dind_operator.api.pod_metadata import owned_key
from dind_operator.api.spec import UpdatePolicy
from dind_operator.pod.variables import BUILD_VARIABLE, INTENT_VARIABLE
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Condition


@dataclass(frozen=True, slots=True)
class Freshness:
    """The condition UpToDate, and whether the pod must be replaced now."""

    condition: Condition
    replace: bool
    same_build: bool


def intent_changed(pod: pods.Pod, desired: dict[str, Any]) -> bool:
    """Whether the spec changed since the pod was created."""
    return pods.variable(pod, INTENT_VARIABLE) != pods.variable(desired, INTENT_VARIABLE)


def up_to_date(pod: pods.Pod, desired: dict[str, Any], policy: UpdatePolicy) -> Freshness:
    """Compare a running pod with the desired one."""
    if intent_changed(pod, desired):
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
    """The operator's labels and annotations that were edited or removed, as a merge patch; {} if none.

    The annotation with the hash shows the spec from which the pod was created, so this hash is restored and not the desired
    one. AppArmor annotations cannot be changed after the creation of a pod.
    """
    found: dict[str, dict[str, str]] = {}
    for field in ("labels", "annotations"):
        present = pod["metadata"].get(field) or {}
        values = dict(desired["metadata"][field])
        if field == "annotations":
            values = {key: value for key, value in values.items() if not key.startswith("container.apparmor")}
            values["dind.dev/intent-hash"] = pods.variable(pod, INTENT_VARIABLE) or values["dind.dev/intent-hash"]
        changed = {key: value for key, value in values.items() if present.get(key) != value}
        if changed and intent_changed(pod, desired):
            # The keys of spec.podMetadata wait for the next pod, as the rest of the spec.
            changed = {key: value for key, value in changed.items() if owned_key(key)}
        if changed:
            found[field] = changed
    return found
