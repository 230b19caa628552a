"""The environments for which the operator creates objects: in enabled namespaces, and within the policy."""

from dind_operator.api.environment import DindEnvironment
from dind_operator.features.policy.rules import violations
from dind_operator.state.observed import Observed, Policy


def served(observed: Observed, policy: Policy) -> bool:
    """Whether environments are enabled in the namespace, and neither the environment nor the namespace is being deleted."""
    return not observed.ending and (observed.namespace_enabled or not policy.require_namespace_label)


def broken(environment: DindEnvironment, policy: Policy) -> str:
    """The messages of all violations of the policy; empty without one."""
    if policy.policy_rules is None:
        return ""
    return " ".join(violations(environment, policy.policy_rules, policy.build.default_runtime_class))
