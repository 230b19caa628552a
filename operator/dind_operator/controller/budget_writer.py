"""Reconciles the PodDisruptionBudgets of environments.

This is not part of the plan, because the pod runs with or without its PodDisruptionBudget. PodDisruptionBudgets are not watched.
One that may exist is read by name whenever its environment is observed.
"""

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment, InvalidEnvironment
from dind_operator.api.spec import DisruptionPolicy
from dind_operator.api.status import clip
from dind_operator.controller.api_errors import MAX_SERVER_MESSAGE, ClusterError
from dind_operator.controller.owned_objects import Verify, apply
from dind_operator.features.disruption.condition import PROTECTED, may_exist, reported
from dind_operator.features.disruption.desired import changes, disruption_budget
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.policy.admission import broken, served
from dind_operator.state.assessment import Condition
from dind_operator.state.cluster import Cluster, Key, ObjectKind
from dind_operator.state.observed import Observed, Policy
from dind_operator.state.owned_objects import foreign, name_conflict

_KIND = ObjectKind.POD_DISRUPTION_BUDGET


class Budgets:
    """Reconciles the PodDisruptionBudgets of environments."""

    def __init__(self, cluster: Cluster, policy: Policy) -> None:
        self._cluster = cluster
        self._policy = policy

    async def reconcile(self, key: Key, observed: Observed, verify: Verify) -> Condition | None:
        """Create, update or delete the PodDisruptionBudget. Returns the condition, or None without one.

        Raises StaleError, and ClusterError if the API server did not respond.
        """
        kept = served(observed, self._policy) and not lifetimes.to_be_deleted(observed)
        if not kept or not may_exist(observed):
            return reported(observed)
        try:
            environment = DindEnvironment.from_dict(observed.environment)
        except InvalidEnvironment:
            return reported(observed)
        desired = self._desired(observed, environment)
        try:
            seen = await self._cluster.owned(_KIND, key)
            errors = await apply(self._cluster, changes(environment, seen, desired=desired), verify)
        except ClusterError as error:
            errors = [error]
        for failed in errors:
            if failed.code < 400 or failed.code == 429:
                raise failed
        if not desired:
            # Without spec.disruptionPolicy Protect, an error is not reported.
            return reported(observed) if errors else None
        if errors:
            return _refused(errors[0])
        other = foreign(environment, _KIND, seen, disruption_budget(environment))
        if other is None:
            return PROTECTED
        remedy = "or give the environment another name"
        return name_conflict(environment, [other], Reason.POD_DISRUPTION_BUDGET_MISSING, remedy)[0]

    def _desired(self, observed: Observed, environment: DindEnvironment) -> bool:
        rules = self._policy.policy_rules
        allowed = rules.disruption_policies if rules is not None else None
        policy = environment.spec.disruption_policy
        if policy is not DisruptionPolicy.PROTECT or (allowed is not None and policy not in allowed):
            return False
        # A running pod is kept and protected, also if it violates the policy. Without a pod, a violation means that none is created.
        return observed.pod is not None or not broken(environment, self._policy)


def _refused(error: ClusterError) -> Condition:
    if error.reason is Reason.FORBIDDEN:
        return Condition.false(error.reason, error.message)
    return Condition.false(
        Reason.POD_DISRUPTION_BUDGET_MISSING,
        f"The API server rejected the PodDisruptionBudget: {clip(error.server_message, MAX_SERVER_MESSAGE)}. The "
        "pod can be evicted. Change the policy, quota or webhook that the message names, or set spec.disruptionPolicy to Allow.",
    )
