"""The condition DisruptionProtected: whether a PodDisruptionBudget prevents evictions of the pod."""

from typing import Any

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.spec import DisruptionPolicy
from dind_operator.state.assessment import Condition
from dind_operator.state.observed import Observed

PROTECTED = Condition.true(
    Reason.POD_DISRUPTION_BUDGET_READY,
    "A PodDisruptionBudget prevents evictions of the pod. A drain of its node waits until the environment is suspended or deleted, "
    "or spec.disruptionPolicy is Allow.",
)
_REASONS = (
    Reason.POD_DISRUPTION_BUDGET_READY,
    Reason.POD_DISRUPTION_BUDGET_MISSING,
    Reason.WAITING_FOR_PREVIOUS_POD,
    Reason.FORBIDDEN,
)


def condition(observed: Observed) -> Condition | None:
    """The condition; None for an environment without a budget."""
    return observed.budget


def reported(observed: Observed) -> Condition | None:
    """The condition in the stored status, or None."""
    return observed.kept(ConditionType.DISRUPTION_PROTECTED, _REASONS)


def may_exist(observed: Observed) -> bool:
    """Whether the environment has a budget, needs one, or may have one from before a change that was not processed yet."""
    environment: dict[str, Any] = observed.environment
    if (environment.get("spec") or {}).get("disruptionPolicy") == DisruptionPolicy.PROTECT:
        return True
    generation = environment["metadata"].get("generation", 0)
    unseen = generation != (environment.get("status") or {}).get("observedGeneration")
    return reported(observed) is not None or (generation > 1 and unseen)
