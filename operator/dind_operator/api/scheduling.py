"""Scheduling of the pod, with the names and types of the spec of a pod."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from .affinity import LABEL_MAP, Affinity, LabelKey, LabelSelector, LabelValue
from .cel_rules import FORBIDDEN, REQUIRED, rule, validations
from .model import ApiModel, WholeNumber


class TolerationOperator(StrEnum):
    """Operators of tolerations."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """Effects of taints."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class UnsatisfiableAction(StrEnum):
    """What the scheduler does if a spread constraint cannot be satisfied."""

    DO_NOT_SCHEDULE = "DoNotSchedule"
    SCHEDULE_ANYWAY = "ScheduleAnyway"


class NodeInclusionPolicy(StrEnum):
    """Whether nodes that the pod cannot run on count when the spread is computed."""

    HONOR = "Honor"
    IGNORE = "Ignore"


_KEYLESS: Final = (
    "a toleration without a key matches every taint and needs operator Exists: set key, or set operator to Exists"
)
_VALUELESS: Final = "a toleration with operator Exists takes no value: remove value, or set operator to Equal"
_SECONDS: Final = "tolerationSeconds is only for effect NoExecute: set effect to NoExecute, or remove tolerationSeconds"
_MIN_DOMAINS: Final = "minDomains needs whenUnsatisfiable DoNotSchedule: set it so, or remove minDomains"
_MATCH_KEYS: Final = (
    "matchLabelKeys narrow a labelSelector and there is none: set labelSelector, or remove matchLabelKeys"
)


class Toleration(ApiModel):
    """Toleration of the pod."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "has(self.key) && self.key != '' || self.operator == 'Exists'",
                _KEYLESS,
                reason=REQUIRED,
            ),
            rule(
                "self.operator != 'Exists' || !has(self.value) || self.value == ''",
                _VALUELESS,
                path=".value",
                reason=FORBIDDEN,
            ),
            rule(
                "!has(self.tolerationSeconds) || has(self.effect) && self.effect == 'NoExecute'",
                _SECONDS,
                path=".tolerationSeconds",
                reason=FORBIDDEN,
            ),
        )
    )

    key: LabelKey | None = Field(
        default=None, description="Key of the taint. If omitted, the operator must be Exists, and all keys match."
    )
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL,
        description="Operator that relates key and value. Equal compares both, Exists only the key.",
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint, if the operator is Equal.")
    effect: TaintEffect | None = Field(default=None, description="Effect of the taint. If omitted, all effects match.")
    toleration_seconds: WholeNumber | None = Field(
        default=None,
        ge=0,
        le=31536000,
        description="Seconds for which a NoExecute taint is tolerated. If omitted, it is tolerated forever.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.key and self.operator is not TolerationOperator.EXISTS:
            raise ValueError(_KEYLESS)
        if self.value and self.operator is TolerationOperator.EXISTS:
            raise ValueError(_VALUELESS)
        if self.toleration_seconds is not None and self.effect is not TaintEffect.NO_EXECUTE:
            raise ValueError(_SECONDS)
        return self


class TopologySpreadConstraint(ApiModel):
    """Topology spread constraint."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "!has(self.minDomains) || self.whenUnsatisfiable == 'DoNotSchedule'",
                _MIN_DOMAINS,
                path=".minDomains",
                reason=FORBIDDEN,
            ),
            rule(
                "!has(self.matchLabelKeys) || size(self.matchLabelKeys) == 0 || has(self.labelSelector)",
                _MATCH_KEYS,
                path=".matchLabelKeys",
                reason=FORBIDDEN,
            ),
        )
    )

    max_skew: WholeNumber = Field(
        ge=1, le=1000, description="Maximum difference in the number of matching pods between two topology domains."
    )
    topology_key: LabelKey = Field(
        description="Label of nodes whose values are the topology domains.", examples=["topology.kubernetes.io/zone"]
    )
    when_unsatisfiable: UnsatisfiableAction = Field(
        description="What the scheduler does if the constraint cannot be met."
    )
    label_selector: LabelSelector | None = Field(
        default=None, description="Label selector for the pods that are counted."
    )
    match_label_keys: Annotated[list[LabelKey], Field(max_length=8)] | None = Field(
        default=None,
        description="Keys of the pod's labels whose values are added to the label selector.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    min_domains: WholeNumber | None = Field(
        default=None, ge=1, le=1000, description="Minimum number of topology domains. Only allowed with DoNotSchedule."
    )
    node_affinity_policy: NodeInclusionPolicy | None = Field(
        default=None,
        description="Whether nodes that the pod's node affinity excludes are left out of the count (Honor) or not "
        "(Ignore).",
    )
    node_taints_policy: NodeInclusionPolicy | None = Field(
        default=None,
        description="Whether nodes with taints that the pod does not tolerate are left out of the count (Honor) or not "
        "(Ignore).",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.min_domains is not None and self.when_unsatisfiable is not UnsatisfiableAction.DO_NOT_SCHEDULE:
            raise ValueError(_MIN_DOMAINS)
        if self.match_label_keys and self.label_selector is None:
            raise ValueError(_MATCH_KEYS)
        return self


_ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}


class SchedulingSpec(ApiModel):
    """Scheduling constraints of the pod."""

    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = Field(
        default=None,
        description="Labels that a node must have to run the pod.",
        examples=[{"dind.dev/pool": "builders"}],
        json_schema_extra=LABEL_MAP,
    )
    tolerations: Annotated[list[Toleration], Field(max_length=32)] | None = Field(
        default=None, description="Tolerations of the pod.", json_schema_extra=_ATOMIC
    )
    affinity: Affinity | None = Field(default=None, description="Affinity rules of the pod.")
    priority_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="Name of the PriorityClass of the pod.",
    )
    topology_spread_constraints: Annotated[list[TopologySpreadConstraint], Field(max_length=8)] | None = Field(
        default=None,
        description="Rules for spreading pods over topology domains, such as zones or nodes.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["topologyKey", "whenUnsatisfiable"],
        },
    )
    scheduler_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="Name of the scheduler of the pod. Defaults to the default scheduler of the cluster.",
    )
