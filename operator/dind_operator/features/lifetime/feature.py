"""Expiry of environments."""

from dind_operator.api.conditions import ConditionType
from dind_operator.features.lifetime import condition, expiry
from dind_operator.state.feature import Feature

FEATURE = Feature(
    name="lifetime",
    conditions={ConditionType.ACTIVITY_KNOWN: condition.condition},
    status=expiry.status,
    events=expiry.events,
    requeue=expiry.requeue,
)
