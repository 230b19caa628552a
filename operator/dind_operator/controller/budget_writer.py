"""The PodDisruptionBudget of an environment that asks for one: made, made anew when it was changed, removed, told.

Apart from the plan, because the pod's life goes on whatever becomes of it. No watch tells of budgets: one is looked at by
name whenever its environment is, if it may exist.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from dind_operator.api.conditions import ConditionStatus, ConditionType, Reason
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.spec import DisruptionPolicy
from dind_operator.api.status import clip
from dind_operator.controller.api_errors import MAX_SAID, ClusterError, ErrorClass, StaleError
from dind_operator.features.disruption.desired import disruption_budget
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken, served
from dind_operator.state import pod_status as pods
from dind_operator.state.assessment import Part
from dind_operator.state.cluster import Cluster, Key, ObjectKind
from dind_operator.state.observed import Observed, Policy

_PROTECTED = Part.true(
    Reason.POD_DISRUPTION_BUDGET_READY, "A PodDisruptionBudget refuses evictions of the pod; a drain of its node waits."
)
_REASONS = (
    Reason.POD_DISRUPTION_BUDGET_READY,
    Reason.POD_DISRUPTION_BUDGET_MISSING,
    Reason.WAITING_FOR_PREVIOUS_POD,
    Reason.FORBIDDEN,
)
_CHANGED = (ErrorClass.ALREADY_EXISTS, ErrorClass.NOT_FOUND, ErrorClass.CONFLICT)


class Budgets:
    """Keeps the budgets of environments."""

    def __init__(self, cluster: Cluster, policy: Policy) -> None:
        self._cluster = cluster
        self._policy = policy

    async def settle(self, key: Key, observed: Observed, verify: Callable[[], Awaitable[None]]) -> Part | None:
        """Bring the budget to what is wanted; returns the condition, None for none.

        ``verify`` raises StaleError unless the environment still is what was observed; it is called before a write. Raises
        StaleError, and ClusterError where no server answered.
        """
        kept = served(observed, self._policy) and not lifetimes.to_be_deleted(observed)
        if not kept or not may_exist(observed.environment):
            return told(observed.environment)
        try:
            environment = DindEnvironment.from_dict(observed.environment)
        except InvalidEnvironment:
            return told(observed.environment)
        wanted = self._wanted(observed, environment)
        try:
            return await self._settle(key, environment, disruption_budget(environment) if wanted else None, verify)
        except ClusterError as error:
            if error.error_class in _CHANGED:
                raise StaleError from error
            if error.code < 400 or error.code == 429:
                raise
            # Who wants none need not hear that none can be looked for.
            return _refused(error) if wanted else told(observed.environment)

    async def _settle(
        self,
        key: Key,
        environment: DindEnvironment,
        wanted: dict[str, Any] | None,
        verify: Callable[[], Awaitable[None]],
    ) -> Part | None:
        found = await self._cluster.owned(ObjectKind.POD_DISRUPTION_BUDGET_READY, key)
        if found is None:
            if wanted is None:
                return None
            await verify()
            await self._cluster.create_owned(ObjectKind.POD_DISRUPTION_BUDGET_READY, wanted)
            return _PROTECTED
        if (pods.controller(found) or {}).get("uid") != environment.uid:
            return None if wanted is None else _stranger(found, environment)
        if wanted is not None and found["spec"] == wanted["spec"]:
            return _PROTECTED
        await verify()
        await self._cluster.delete_owned(ObjectKind.POD_DISRUPTION_BUDGET_READY, found)
        if wanted is not None:
            raise StaleError
        return None

    def _wanted(self, observed: Observed, environment: DindEnvironment) -> bool:
        rails = self._policy.guard_rails
        allowed = rails.disruption_policies if rails is not None else None
        asked = environment.spec.disruption_policy
        if asked is not DisruptionPolicy.PROTECT or (allowed is not None and asked not in allowed):
            return False
        # A pod that runs goes on, whatever else the policy forbids; for one that may not be made there is nothing to protect.
        return observed.pod is not None or not broken(environment, self._policy)


def may_exist(environment: dict[str, Any]) -> bool:
    """The environment has a budget, is to have one, or may have one from before a change that nobody has acted on yet."""
    if (environment.get("spec") or {}).get("disruptionPolicy") == DisruptionPolicy.PROTECT:
        return True
    generation = environment["metadata"].get("generation", 0)
    unseen = generation != (environment.get("status") or {}).get("observedGeneration")
    return told(environment) is not None or (generation > 1 and unseen)


def told(environment: dict[str, Any]) -> Part | None:
    """The condition as the stored status has it, if this operator could have written it."""
    old = pods.condition(environment, ConditionType.DISRUPTION_PROTECTED)
    if old.get("reason") not in _REASONS:
        return None
    return Part(ConditionStatus(old["status"]), Reason(old["reason"]), str(old.get("message")))


def _stranger(found: dict[str, Any], environment: DindEnvironment) -> Part:
    if pods.owner_name(found) == environment.name:
        message = f"The PodDisruptionBudget of an earlier environment {environment.name} is still being removed."
        return Part.false(Reason.WAITING_FOR_PREVIOUS_POD, message)
    return Part.false(
        Reason.POD_DISRUPTION_BUDGET_MISSING,
        f"A PodDisruptionBudget named {environment.name} exists in the namespace {environment.namespace} and is not the "
        "environment's; the operator does not touch it. Delete or rename it, or give the environment another name.",
    )


def _refused(error: ClusterError) -> Part:
    if error.reason is Reason.FORBIDDEN:
        return Part.false(error.reason, error.message)
    return Part.false(
        Reason.POD_DISRUPTION_BUDGET_MISSING,
        f"The PodDisruptionBudget cannot be kept: {clip(error.said, MAX_SAID)}. Evictions of the pod are not held up. Have the "
        "rule that the message names changed, or set spec.disruptionPolicy to Allow.",
    )
