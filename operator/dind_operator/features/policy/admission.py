"""Which environments the operator makes anything for: where they may be, and what they may ask for."""

from dind_operator.api.environment import DindEnvironment
from dind_operator.features.policy.rules import violations
from dind_operator.state.observed import Observed, Policy


def served(observed: Observed, policy: Policy) -> bool:
    """Neither the environment nor its namespace ends, and the namespace is open for environments."""
    return not observed.ending and (observed.namespace_enabled or not policy.require_namespace_label)


def broken(environment: DindEnvironment, policy: Policy) -> str:
    """What of the installation's policy the environment does not keep; empty if it keeps all."""
    if policy.policy_rules is None:
        return ""
    return " ".join(violations(environment, policy.policy_rules, policy.build.default_runtime_class))
