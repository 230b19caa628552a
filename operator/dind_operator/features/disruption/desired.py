"""The PodDisruptionBudget of an environment with ``disruptionPolicy: Protect``. It prevents evictions while the pod runs."""

from typing import Any

from dind_operator.api import names
from dind_operator.api.environment import DindEnvironment
from dind_operator.pod.metadata import object_labels, owner_reference
from dind_operator.state.cluster import ObjectKind
from dind_operator.state.owned_objects import Change, Remove, foreign, write


def disruption_budget(environment: DindEnvironment) -> dict[str, Any]:
    """The manifest. It selects by the operator's labels, which the operator repairs, and is garbage collected with its owner.

    It does not use ``maxUnavailable: 0``, because the disruption controller then reads the scale subresource of the pod's owner, and
    a DindEnvironment has none. It also protects pods that are not ready: an overloaded daemon misses probes while its build runs.
    """
    labels = object_labels(environment.name)
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {
            "name": environment.name,
            "namespace": environment.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(environment)],
        },
        "spec": {
            "minAvailable": 1,
            "selector": {
                "matchLabels": {key: labels[key] for key in (names.LABEL_MANAGED_BY, names.LABEL_ENVIRONMENT)}
            },
            "unhealthyPodEvictionPolicy": "IfHealthyBudget",
        },
    }


def changes(environment: DindEnvironment, seen: dict[str, Any] | None, *, desired: bool) -> tuple[Change, ...]:
    """The changes to the observed budget; none if the object with its name is foreign."""
    kind, budget = ObjectKind.POD_DISRUPTION_BUDGET, disruption_budget(environment)
    if foreign(environment, kind, seen, budget) is not None:
        return ()
    if not desired:
        return () if seen is None else (Remove(kind, seen),)
    if seen is not None and seen["spec"] == budget["spec"]:
        return ()
    return (write(kind, seen, budget),)
