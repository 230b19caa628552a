"""Affinity and label selectors as in the spec of a pod, with limits for the cost of validation."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .cel_rules import KEY_MAX_LENGTH, keys, rule, validations
from .model import ApiModel, WholeNumber

LABEL_KEY_PATTERN: Final = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
LABEL_KEY_REMEDY: Final = (
    "keys must be label keys: at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, "
    "optionally after a lower-case domain and '/'"
)
LabelKey = Annotated[str, StringConstraints(min_length=1, max_length=KEY_MAX_LENGTH, pattern=LABEL_KEY_PATTERN)]
LabelValue = Annotated[str, StringConstraints(max_length=63, pattern=LABEL_VALUE_PATTERN)]
NamespaceName = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
]
# The name of a node in matchFields, or a number as text for Gt and Lt.
NodeValue = Annotated[str, StringConstraints(max_length=253)]

_ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}
_SET: Final[dict[str, Any]] = {"x-kubernetes-list-type": "set"}
LABEL_MAP: Final[dict[str, Any]] = {"x-kubernetes-map-type": "atomic", **keys(LABEL_KEY_PATTERN, LABEL_KEY_REMEDY)}
_VALUES: Final = "operators In and NotIn need values, Exists and DoesNotExist take none: add or remove values"
_WHOLE_NUMBER: Final = "^[+-]?[0-9]{1,18}$"
_ONE_NUMBER: Final = "operators Gt and Lt compare with one whole number: set values to one such as ['4']"


class SelectorOperator(StrEnum):
    """Operators of label selectors."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class NodeOperator(StrEnum):
    """Operators of node selectors."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"
    GT = "Gt"
    LT = "Lt"


def _check_values(operator: str, values: list[str] | None) -> None:
    if operator in {"Gt", "Lt"}:
        if len(values or []) != 1 or not re.fullmatch(_WHOLE_NUMBER, (values or [""])[0]):
            raise ValueError(_ONE_NUMBER)
    elif (operator in {"In", "NotIn"}) != bool(values):
        raise ValueError(_VALUES)


_HAS_VALUES: Final = "(has(self.values) && size(self.values) > 0)"


class LabelRequirement(ApiModel):
    """Requirement of a label selector."""

    model_config = ConfigDict(
        json_schema_extra=validations(rule(f"(self.operator in ['In', 'NotIn']) == {_HAS_VALUES}", _VALUES))
    )

    key: LabelKey = Field(description="Key of the label that the requirement applies to.")
    operator: SelectorOperator = Field(description="Operator that relates the label to the values.")
    values: Annotated[list[LabelValue], Field(max_length=16)] | None = Field(
        default=None,
        description="Values of the label. Required for the operators In and NotIn, and not allowed for others.",
        json_schema_extra=_ATOMIC,
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_values(self.operator, self.values)
        return self


class LabelSelector(ApiModel):
    """Label selector of pods or namespaces."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] | None = Field(
        default=None,
        description="Labels with the values that an object must have to match.",
        json_schema_extra=LABEL_MAP,
    )
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=16)] | None = Field(
        default=None,
        description="Label requirements. An object must meet all of them to match.",
        json_schema_extra=_ATOMIC,
    )


class NodeRequirement(ApiModel):
    """Requirement of a node selector."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                f"self.operator in ['Gt', 'Lt'] || (self.operator in ['In', 'NotIn']) == {_HAS_VALUES}",
                _VALUES,
            ),
            rule(
                "!(self.operator in ['Gt', 'Lt']) || has(self.values) && size(self.values) == 1 && "
                f"self.values[0].matches('{_WHOLE_NUMBER}')",
                _ONE_NUMBER,
            ),
        )
    )

    key: LabelKey = Field(description="Key of the label or field that the requirement applies to.")
    operator: NodeOperator = Field(
        description="Operator that relates the key to the values. Gt and Lt compare integers."
    )
    values: Annotated[list[NodeValue], Field(max_length=32)] | None = Field(
        default=None,
        description="Values to compare with. Must be empty for the operators Exists and DoesNotExist.",
        json_schema_extra=_ATOMIC,
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        _check_values(self.operator, self.values)
        return self


class NodeSelectorTerm(ApiModel):
    """Node selector term: all requirements must match."""

    match_expressions: Annotated[list[NodeRequirement], Field(max_length=16)] | None = Field(
        default=None, description="Requirements for labels of the node.", json_schema_extra=_ATOMIC
    )
    match_fields: Annotated[list[NodeRequirement], Field(max_length=4)] | None = Field(
        default=None, description="Requirements for fields of the node (metadata.name).", json_schema_extra=_ATOMIC
    )


class NodeSelector(ApiModel):
    """Node selector: at least one term must match."""

    node_selector_terms: Annotated[list[NodeSelectorTerm], Field(min_length=1, max_length=8)] = Field(
        description="Node selector terms. A node must match at least one of them.", json_schema_extra=_ATOMIC
    )


class PreferredNodes(ApiModel):
    """Preferred node selector term with a weight."""

    weight: WholeNumber = Field(ge=1, le=100, description="Weight of the preference, compared with other preferences.")
    preference: NodeSelectorTerm = Field(description="Node selector term of the preferred nodes.")


class NodeAffinity(ApiModel):
    """Node affinity of the pod."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Rules that a node must meet to run the pod."
    )
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[PreferredNodes], Field(max_length=8)] | None
    ) = Field(default=None, description="Rules for nodes that the scheduler prefers.", json_schema_extra=_ATOMIC)


class PodAffinityTerm(ApiModel):
    """Pod affinity term: pods and a topology."""

    topology_key: LabelKey = Field(
        description="Label of nodes whose values are the topology domains.", examples=["kubernetes.io/hostname"]
    )
    label_selector: LabelSelector | None = Field(
        default=None, description="Label selector for the pods that the rule applies to."
    )
    namespaces: Annotated[list[NamespaceName], Field(max_length=16)] | None = Field(
        default=None,
        description="Namespaces of the pods that the rule applies to. Defaults to the environment's namespace.",
        json_schema_extra=_SET,
    )
    namespace_selector: LabelSelector | None = Field(
        default=None,
        description="Label selector for namespaces in addition to `namespaces`. {} selects all namespaces.",
    )


class WeightedPodTerm(ApiModel):
    """Preferred pod affinity term with a weight."""

    weight: WholeNumber = Field(ge=1, le=100, description="Weight of the preference, compared with other preferences.")
    pod_affinity_term: PodAffinityTerm = Field(description="Pods and topology domains that the preference applies to.")


class PodAffinity(ApiModel):
    """Pod affinity or anti-affinity."""

    required_during_scheduling_ignored_during_execution: (
        Annotated[list[PodAffinityTerm], Field(max_length=8)] | None
    ) = Field(default=None, description="Rules that must be met when the pod is scheduled.", json_schema_extra=_ATOMIC)
    preferred_during_scheduling_ignored_during_execution: (
        Annotated[list[WeightedPodTerm], Field(max_length=8)] | None
    ) = Field(
        default=None,
        description="Rules that the scheduler prefers to meet when the pod is scheduled.",
        json_schema_extra=_ATOMIC,
    )


class Affinity(ApiModel):
    """Affinity rules of the pod."""

    node_affinity: NodeAffinity | None = Field(default=None, description="Rules for nodes that can run the pod.")
    pod_affinity: PodAffinity | None = Field(
        default=None, description="Rules for pods that should run in the same topology domain, such as a node or zone."
    )
    pod_anti_affinity: PodAffinity | None = Field(
        default=None, description="Rules for pods that should not run in the same topology domain."
    )
