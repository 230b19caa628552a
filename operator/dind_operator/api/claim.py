"""The claim of a generic ephemeral volume as in Kubernetes, with limits.

Unsupported fields: `volumeMode`, because Docker needs a file system; `volumeName`, because the next pod would claim the same volume;
`dataSource`, because the directory of one daemon is not valid for another one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .affinity import LABEL_MAP, LabelKey, LabelSelector, LabelValue
from .cel_rules import positive, rule, shape, validations
from .model import ApiModel
from .names import SUBDOMAIN_PATTERN
from .quantity import Quantity, parse_bytes

CLAIM_NOT_POSITIVE: Final = "resources.requests.storage must be more than zero: write a quantity such as 20Gi"
_NOT_A_CLASS: Final = (
    "storageClassName must be the name of a StorageClass: use lower-case letters, digits, '-' and '.', or leave it out for the "
    "cluster's default"
)
AnnotationValue = Annotated[str, StringConstraints(max_length=1024)]


class AccessMode(StrEnum):
    """Access modes of the volume. Two daemons would corrupt it, so it cannot be shared."""

    READ_WRITE_ONCE = "ReadWriteOnce"
    READ_WRITE_ONCE_POD = "ReadWriteOncePod"


class ClaimRequests(ApiModel):
    """Requested resources of the volume."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                f"!isQuantity(string(self.storage)) || {positive('self.storage')}", CLAIM_NOT_POSITIVE, path=".storage"
            )
        )
    )

    storage: Quantity = Field(description="Minimum size of the volume.", examples=["20Gi"])

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if parse_bytes(self.storage) == 0:
            raise ValueError(CLAIM_NOT_POSITIVE)
        return self


class ClaimResources(ApiModel):
    """Resources of the PersistentVolumeClaim."""

    requests: ClaimRequests = Field(description="Requested resources of the volume.")


class ClaimMetadata(ApiModel):
    """Metadata of the claim. Its name is derived from the name of the pod."""

    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] | None = Field(
        default=None, description="Labels of the PersistentVolumeClaim.", json_schema_extra=LABEL_MAP
    )
    annotations: Annotated[dict[LabelKey, AnnotationValue], Field(max_length=16)] | None = Field(
        default=None,
        description="Annotations of the PersistentVolumeClaim, for example for its provisioner.",
        json_schema_extra=LABEL_MAP,
    )


class ClaimSpec(ApiModel):
    """Specification of the PersistentVolumeClaim."""

    access_modes: Annotated[list[AccessMode], Field(min_length=1, max_length=2)] = Field(
        default_factory=lambda: [AccessMode.READ_WRITE_ONCE],
        description="Access modes of the volume. ReadWriteOnce allows one node at a time, ReadWriteOncePod one pod at a "
        "time.",
        json_schema_extra={"default": ["ReadWriteOnce"], "x-kubernetes-list-type": "set"},
    )
    resources: ClaimResources = Field(description="Resources of the PersistentVolumeClaim.")
    storage_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=SUBDOMAIN_PATTERN,
        description="Name of the StorageClass of the volume. Defaults to the default StorageClass of the cluster.",
        examples=["local-nvme"],
        json_schema_extra=shape(SUBDOMAIN_PATTERN, _NOT_A_CLASS),
    )
    selector: LabelSelector | None = Field(default=None, description="Label selector for existing PersistentVolumes.")


class VolumeClaimTemplate(ApiModel):
    """A PersistentVolumeClaim without a name."""

    metadata: ClaimMetadata | None = Field(
        default=None, description="Labels and annotations of the PersistentVolumeClaim."
    )
    spec: ClaimSpec = Field(description="Specification of the PersistentVolumeClaim.")
