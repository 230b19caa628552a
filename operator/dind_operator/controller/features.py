"""All features, in the order in which each adds to the pod, the status and the Events."""

from collections.abc import Collection, Mapping
from typing import Final

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.features.disruption.feature import FEATURE as DISRUPTION
from dind_operator.features.endpoint.feature import FEATURE as ENDPOINT
from dind_operator.features.isolation.feature import FEATURE as ISOLATION
from dind_operator.features.lifetime.feature import FEATURE as LIFETIME
from dind_operator.features.network.feature import FEATURE as NETWORK
from dind_operator.features.registry.feature import FEATURE as REGISTRY
from dind_operator.features.security.feature import FEATURE as SECURITY
from dind_operator.features.storage.feature import FEATURE as STORAGE
from dind_operator.features.workloads.feature import FEATURE as WORKLOADS
from dind_operator.state.assessment import Assessment
from dind_operator.state.feature import Feature
from dind_operator.state.observed import Observed
from dind_operator.state.pod_status import Pod

FEATURES: Final[tuple[Feature, ...]] = (
    SECURITY,
    STORAGE,
    NETWORK,
    ENDPOINT,
    REGISTRY,
    WORKLOADS,
    LIFETIME,
    ISOLATION,
    DISRUPTION,
)

# Only existing functions are called, because a plan is made for every change of every environment.
PODS: Final = tuple(feature.pod for feature in FEATURES if feature.pod is not None)
CONDITIONS: Final = tuple(item for feature in FEATURES for item in feature.conditions.items())
STATUS: Final = tuple(feature.status for feature in FEATURES if feature.status is not None)
POD_STATUS: Final = tuple(feature.pod_status for feature in FEATURES if feature.pod_status is not None)
EVENTS: Final = tuple(feature.events for feature in FEATURES if feature.events is not None)
REQUEUES: Final = tuple(feature.requeue for feature in FEATURES if feature.requeue is not None)
EVENT_REASONS: Final[Mapping[ConditionType, Collection[Reason]]] = {
    kind: reasons for feature in FEATURES for kind, reasons in feature.event_reasons.items()
}
_ASSESS: Final = tuple(feature.assess for feature in FEATURES if feature.assess is not None)


def assess(assessment: Assessment, observed: Observed, pod: Pod) -> Assessment:
    """The assessment of a running pod, with what each feature knows beyond the pod's own status."""
    for refine in _ASSESS:
        assessment = refine(assessment, observed, pod)
    return assessment


def requeue(observed: Observed) -> float | None:
    """Seconds after which a feature has to be observed again although no watch reports anything; None where none has."""
    return min(filter(None, [wait(observed) for wait in REQUEUES]), default=None)
