"""The nested networks."""

from dind_operator.api.conditions import ConditionType
from dind_operator.features.network import condition, pod
from dind_operator.state.feature import Feature

FEATURE = Feature(
    name="network",
    pod=pod.part,
    conditions={ConditionType.NETWORK_READY: condition.condition},
    event_reasons={ConditionType.NETWORK_READY: condition.EVENT_REASONS},
)
