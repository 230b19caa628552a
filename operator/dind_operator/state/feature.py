"""The form of a feature. ``controller.features`` lists them; the pod, the status and the Events are loops over that list."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.environment import DindEnvironment
from dind_operator.pod.defaults import BuildSettings
from dind_operator.pod.part import PodPart
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.cluster import Event
from dind_operator.state.observed import Observed
from dind_operator.state.pod_status import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """Functions of one feature, all of them pure; None where the feature has nothing to add."""

    name: str
    pod: Callable[[DindEnvironment, BuildSettings], PodPart] | None = None
    """What it adds to the pod. Raises UnbuildableError for a spec from which no working pod can be made."""
    assess: Callable[[Assessment, Observed, Pod], Assessment] | None = None
    """The assessment of a running pod, with what this feature knows beyond the pod's own status."""
    conditions: Mapping[ConditionType, Callable[[Observed], Condition | None]] = field(default_factory=dict)
    """The conditions that it reports. None: the condition is absent, or what the assessment says of it."""
    status: Callable[[Observed], Mapping[str, Any]] | None = None
    """Top-level fields of the status; a field that is None is absent."""
    pod_status: Callable[[Observed, Pod], Mapping[str, Any]] | None = None
    """The same of fields that describe the environment's pod, while there is one."""
    events: Callable[[Observed, Assessment], tuple[Event, ...]] | None = None
    """Events beside those for a condition's new reason."""
    event_reasons: Mapping[ConditionType, Collection[Reason]] = field(default_factory=dict)
    """Reasons of its conditions for which an Event is recorded when the condition takes them."""
    requeue: Callable[[Observed], float | None] | None = None
    """Seconds after which to observe again what no watch reports; None where there is nothing."""
