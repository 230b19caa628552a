"""Verification that nested containers run in the pod's cgroup."""

from dind_operator.api.conditions import ConditionType
from dind_operator.features.isolation import condition
from dind_operator.state.feature import Feature

FEATURE = Feature(
    name="isolation",
    assess=condition.assess,
    conditions={ConditionType.ISOLATION_VERIFIED: condition.condition},
    event_reasons={ConditionType.ISOLATION_VERIFIED: condition.EVENT_REASONS},
)
