"""The endpoint: dockerd on the network, for clients with a certificate."""

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
