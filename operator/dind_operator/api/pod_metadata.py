"""Labels and annotations of the pod, in addition to those that the operator sets."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self

from pydantic import Field, StringConstraints, model_validator

from . import names
from .affinity import LABEL_KEY_PATTERN, LABEL_KEY_REMEDY, LabelKey, LabelValue
from .cel_rules import FORBIDDEN, cel_text, keys, rule, validations
from .model import ApiModel

OWNED_KEYS: Final = (
    names.LABEL_INSTANCE,
    names.LABEL_MANAGED_BY,
    names.LABEL_NAME,
    names.ANNOTATION_SAFE_TO_EVICT,
    names.ANNOTATION_DO_NOT_DISRUPT,
    names.ANNOTATION_DEFAULT_CONTAINER,
)
# The domains of the operator, and AppArmor annotations, which the API server compares with the profile in the spec.
OWNED_PATTERN: Final = r"^(([^/]+\.)?dind\.dev|container\.apparmor\.security\.beta\.kubernetes\.io)/"
_OWNED: Final = (
    f"must not contain keys that the operator sets (dind.dev/*, {names.ANNOTATION_APPARMOR_PREFIX}*, "
    f"{', '.join(OWNED_KEYS)}): remove the entry"
)


def _map(field: str) -> dict[str, Any]:
    owned = rule(
        f"!self.exists(k, k in {list(OWNED_KEYS)} || k.matches('{cel_text(OWNED_PATTERN)}'))",
        f"podMetadata.{field} {_OWNED}",
        reason=FORBIDDEN,
    )
    shape = keys(LABEL_KEY_PATTERN, LABEL_KEY_REMEDY)
    return {"x-kubernetes-map-type": "granular", **validations(*next(iter(shape.values())), owned)}


def owned_key(key: str) -> bool:
    """Whether the operator sets this label or annotation."""
    return key in OWNED_KEYS or re.match(OWNED_PATTERN, key) is not None


class PodMetadata(ApiModel):
    """Labels and annotations of the pod."""

    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = Field(
        default=None,
        description="Labels of the pod, in addition to the labels that the operator sets.",
        examples=[{"team": "builds"}],
        json_schema_extra=_map("labels"),
    )
    annotations: (
        Annotated[dict[LabelKey, Annotated[str, StringConstraints(max_length=4096)]], Field(max_length=32)] | None
    ) = Field(
        default=None,
        description="Annotations of the pod, in addition to the annotations that the operator sets.",
        examples=[{"sidecar.istio.io/inject": "false"}],
        json_schema_extra=_map("annotations"),
    )

    @model_validator(mode="after")
    def _free(self) -> Self:
        for field, found in (("labels", self.labels), ("annotations", self.annotations)):
            if any(owned_key(key) for key in found or ()):
                raise ValueError(f"podMetadata.{field} {_OWNED}")
        return self
