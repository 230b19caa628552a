"""The interface of features. ``controller.features`` lists them; pod, status and Events are built by loops over that list."""

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
    """Pure functions of one feature; None for what the feature does not have."""

    name: str
    pod: Callable[[DindEnvironment, BuildSettings], PodPart] | None = None
    """Additions to the pod. Raises UnbuildableError for a spec from which no working pod can be created."""
    assess: Callable[[Assessment, Observed, Pod], Assessment] | None = None
    """Refines the assessment of a running pod."""
    conditions: Mapping[ConditionType, Callable[[Observed], Condition | None]] = field(default_factory=dict)
    """The conditions of the feature. None: the condition of the assessment, or no condition."""
    status: Callable[[Observed], Mapping[str, Any]] | None = None
    """Top-level fields of the status; a field that is None is removed."""
    pod_status: Callable[[Observed, Pod], Mapping[str, Any]] | None = None
    """Fields of the status that describe the pod of the environment."""
    events: Callable[[Observed, Assessment], tuple[Event, ...]] | None = None
    """Events in addition to those for changed reasons of conditions."""
    event_reasons: Mapping[ConditionType, Collection[Reason]] = field(default_factory=dict)
    """Reasons of conditions for which a Warning Event is recorded."""
    requeue: Callable[[Observed], float | None] | None = None
    """Seconds until the next reconciliation for state that no watch reports; None without one."""
