"""The environments for which the operator creates objects: in enabled namespaces, and within the policy."""

from dind_operator.api.conditions import Reason
from dind_operator.api.environment import DindEnvironment
from dind_operator.features.policy.rules import violations
from dind_operator.state.assessment import Assessment, blocked
from dind_operator.state.observed import Observed, Policy


def served(observed: Observed, policy: Policy) -> bool:
    """Whether environments are enabled in the namespace, and neither the environment nor the namespace is being deleted."""
    return not observed.ending and (observed.namespace_enabled or not policy.require_namespace_label)


def broken(environment: DindEnvironment, policy: Policy) -> Assessment | None:
    """Why this installation creates no pod for the environment; None if it does."""
    if environment.spec.endpoint.enabled and not policy.serves_endpoints:
        return blocked(
            Reason.ENDPOINTS_NOT_SERVED,
            "This installation does not serve endpoints, and spec.endpoint.enabled is true, which is the default. Set "
            "spec.endpoint.enabled to false and use the daemon with kubectl exec or workloads, or ask an administrator to set "
            "endpoints.enabled of the chart to true.",
        )
    if policy.policy_rules is None:
        return None
    messages = violations(environment, policy.policy_rules, policy.build.default_runtime_class)
    return blocked(Reason.POLICY_VIOLATION, " ".join(messages)) if messages else None
