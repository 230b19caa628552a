"""Registries, and images that are pulled before the daemon is ready."""

from dind_operator.api.conditions import ConditionType
from dind_operator.features.registry import condition, mirrors, pod
from dind_operator.state.feature import Feature

FEATURE = Feature(
    name="registry",
    pod=pod.part,
    assess=condition.assess,
    conditions={ConditionType.IMAGES_PRELOADED: condition.condition},
    pod_status=mirrors.pod_status,
    requeue=condition.pause,
)
