"""The docker volume."""

from dind_operator.features.storage import condition, pod
from dind_operator.state.feature import Feature

FEATURE = Feature(name="storage", pod=pod.part, assess=condition.assess, events=condition.events)
