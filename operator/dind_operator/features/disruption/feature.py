"""Protection of the pod against evictions."""

from dind_operator.api.conditions import ConditionType
from dind_operator.features.disruption import condition
from dind_operator.state.feature import Feature

FEATURE = Feature(name="disruption", conditions={ConditionType.DISRUPTION_PROTECTED: condition.condition})
