"""Workloads: containers that run beside the daemon."""

from dind_operator.api.conditions import ConditionType
from dind_operator.features.workloads import condition, pod
from dind_operator.state.feature import Feature

FEATURE = Feature(
    name="workloads",
    pod=pod.part,
    conditions={ConditionType.WORKLOADS_SUCCEEDED: condition.condition},
    status=condition.status,
)
