"""Where the pod may run. Names and shapes are those of a pod's spec, so that what works there works here."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from .affinity import LABEL_MAP, Affinity, LabelKey, LabelSelector, LabelValue
from .model import ApiModel, WholeNumber
from .rules import FORBIDDEN, REQUIRED, rule, validations


class TolerationOperator(StrEnum):
    """How a toleration's key is compared."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to a pod that does not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class UnsatisfiableAction(StrEnum):
    """What the scheduler does when a spread constraint cannot be met."""

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
    """A taint the pod may run in spite of."""

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

    key: LabelKey | None = Field(default=None, description="The taint's key; without it, every key (operator Exists).")
    operator: TolerationOperator = Field(
        default=TolerationOperator.EQUAL, description="Equal compares key and value; Exists only the key."
    )
    value: LabelValue | None = Field(default=None, description="The taint's value, for operator Equal.")
    effect: TaintEffect | None = Field(default=None, description="The taint's effect; without it, every effect.")
    toleration_seconds: WholeNumber | None = Field(
        default=None,
        ge=0,
        le=31536000,
        description="How many seconds a NoExecute taint is tolerated before the pod is evicted; without it, for ever.",
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
    """How evenly pods that match a selector are spread over a topology."""

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

    max_skew: WholeNumber = Field(ge=1, le=1000, description="The largest allowed difference between two domains.")
    topology_key: LabelKey = Field(
        description="The node label whose values are the domains.", examples=["topology.kubernetes.io/zone"]
    )
    when_unsatisfiable: UnsatisfiableAction = Field(description="What to do when the constraint cannot be met.")
    label_selector: LabelSelector | None = Field(default=None, description="Which pods are counted.")
    match_label_keys: Annotated[list[LabelKey], Field(max_length=8)] | None = Field(
        default=None,
        description="Labels of the pod whose values are added to the selector.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    min_domains: WholeNumber | None = Field(
        default=None, ge=1, le=1000, description="The least number of domains; only with DoNotSchedule."
    )
    node_affinity_policy: NodeInclusionPolicy | None = Field(
        default=None,
        description="Whether nodes the affinity excludes are left out of the count (Honor) or not (Ignore).",
    )
    node_taints_policy: NodeInclusionPolicy | None = Field(
        default=None,
        description="Whether nodes with taints the pod does not tolerate are left out (Honor) or not (Ignore).",
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
    """Where the pod may run."""

    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = Field(
        default=None,
        description="Labels a node must have.",
        examples=[{"dind.dev/pool": "builders"}],
        json_schema_extra=LABEL_MAP,
    )
    tolerations: Annotated[list[Toleration], Field(max_length=32)] | None = Field(
        default=None, description="Taints the pod may run in spite of.", json_schema_extra=_ATOMIC
    )
    affinity: Affinity | None = Field(default=None, description="Nodes and pods to be near to or far from.")
    priority_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description="The PriorityClass of the pod.",
    )
    topology_spread_constraints: Annotated[list[TopologySpreadConstraint], Field(max_length=8)] | None = Field(
        default=None,
        description="How evenly environments are spread over zones or nodes.",
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
        description="The scheduler that places the pod; without it, the cluster's default.",
    )
