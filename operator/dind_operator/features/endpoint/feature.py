"""The endpoint: access to dockerd over the network, with client certificates."""

from dind_operator.api.conditions import ConditionType
from dind_operator.features.endpoint import condition, service
from dind_operator.state.feature import Feature

FEATURE = Feature(
    name="endpoint",
    pod=service.part,
    conditions={ConditionType.ENDPOINT_READY: condition.condition},
    status=condition.status,
    pod_status=condition.pod_status,
    event_reasons={ConditionType.ENDPOINT_READY: condition.EVENT_REASONS},
)
