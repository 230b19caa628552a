"""The volume at /var/lib/docker: exactly one kind, and never the file system of the container."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from .cel_rules import NO_DEFAULT, REQUIRED, cel_text, positive, rule, validations, value_rule
from .claim import VolumeClaimTemplate
from .model import ApiModel
from .quantity import Quantity, parse_bytes


class StorageMedium(StrEnum):
    """Storage medium of an emptyDir volume."""

    DISK = ""
    MEMORY = "Memory"


MEMORY_NEEDS_SIZE = (
    "emptyDir.medium Memory needs a sizeLimit, because the volume is taken from the memory limit: "
    "set sizeLimit, or leave medium out to use the node's disk"
)
SIZE_NOT_POSITIVE = "emptyDir.sizeLimit must be more than zero: write a quantity such as 20Gi, or leave it out"


class EmptyDirStorage(ApiModel):
    """emptyDir volume, which is deleted with the pod."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule("self.medium != 'Memory' || has(self.sizeLimit)", MEMORY_NEEDS_SIZE, reason=REQUIRED),
            rule(
                f"!has(self.sizeLimit) || !isQuantity(string(self.sizeLimit)) || {positive('self.sizeLimit')}",
                SIZE_NOT_POSITIVE,
                path=".sizeLimit",
            ),
        )
    )

    medium: StorageMedium = Field(
        default=StorageMedium.DISK,
        description="Storage medium of the volume: empty for the disk of the node, Memory for tmpfs. With Memory, the data "
        "counts toward `daemon.resources.limits.memory`, and `sizeLimit` is required.",
    )
    size_limit: Quantity | None = Field(
        default=None,
        description="Maximum size of the volume. On disk, the kubelet evicts a pod that exceeds it; in memory, it is a "
        "hard limit. If omitted, the free space of the node's disk is the limit.",
        examples=["20Gi"],
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.medium is StorageMedium.MEMORY and self.size_limit is None:
            raise ValueError(MEMORY_NEEDS_SIZE)
        if self.size_limit is not None and parse_bytes(self.size_limit) == 0:
            raise ValueError(SIZE_NOT_POSITIVE)
        return self


class EphemeralStorage(ApiModel):
    """Generic ephemeral volume of a StorageClass, which is deleted with the pod."""

    volume_claim_template: VolumeClaimTemplate = Field(
        description="Template of the PersistentVolumeClaim that is created and deleted with the pod."
    )


# An absolute path without empty elements. A separate rule rejects '.' and '..', because RE2 has no negative patterns. The path is
# used in shell variables and messages, so it has no blanks and no quotes.
HOST_PATH_PATTERN: Final = r"^(/[A-Za-z0-9_.@+:-]+)+$"
HOST_PATH_MAX_LENGTH: Final = 512
_HOST_PATH_REMEDY: Final = (
    "write the absolute path of a directory of its own, such as /srv/dind/my-docker, of letters, digits and '_', '.', '@', "
    "'+', ':', '-', without '..', '.' or '//' and without '/' at its end"
)


class HostPathStorage(ApiModel):
    """Directory of the node. It is kept after the pod and the environment are deleted."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            value_rule(
                f"self.path.matches('{HOST_PATH_PATTERN}') && !self.path.split('/').exists(p, p == '.' || p == '..')",
                f"'hostPath.path ' + self.path + ' cannot be used: {cel_text(_HOST_PATH_REMEDY)}'",
                f"hostPath.path cannot be used: {_HOST_PATH_REMEDY}",
                path=".path",
            )
        )
    )

    path: str = Field(
        min_length=2,
        max_length=HOST_PATH_MAX_LENGTH,
        description="Path of the directory, directly below a prefix that the installation allows (the chart's value "
        "`hostPath.allowedPrefixes`, empty by default). The directory is created if it does not exist and "
        "never deleted. It must not be a symbolic link, and only one environment can use it at a time.",
        examples=["/srv/dind/my-docker"],
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not is_plain_path(self.path):
            raise ValueError(f"hostPath.path {self.path} cannot be used: {_HOST_PATH_REMEDY}")
        return self


def is_plain_path(path: str) -> bool:
    """The path is absolute and has no '.' or '..'. Symbolic links are checked on the node."""
    return re.fullmatch(HOST_PATH_PATTERN, path) is not None and not {".", ".."} & set(path.split("/"))


_KINDS: Final = ("emptyDir", "ephemeral", "hostPath")
_COUNT: Final = " + ".join(f"(has(self.{kind}) ? 1 : 0)" for kind in _KINDS)
ONE_KIND: Final = (
    "storage must name exactly one kind of volume: set emptyDir: {}, ephemeral or hostPath, or leave storage out"
)
ONLY_ONE_KIND: Final = (
    "storage must name exactly one kind of volume and names more: keep one of emptyDir, ephemeral and hostPath, and "
    "set the others to null"
)


class StorageSpec(ApiModel):
    """Exactly one kind of volume for /var/lib/docker."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(f"{_COUNT} > 0", ONE_KIND, reason=REQUIRED),
            rule(f"{_COUNT} < 2", ONLY_ONE_KIND),
        )
    )

    empty_dir: EmptyDirStorage | None = Field(
        default=None,
        description="Volume that is created and deleted with the pod. Images and layers survive a restart of the daemon's "
        "container, but not a replacement of the pod.",
        json_schema_extra={NO_DEFAULT: True},
    )
    ephemeral: EphemeralStorage | None = Field(
        default=None,
        description="Generic ephemeral volume of a StorageClass that is created and deleted with the pod. It has a fixed "
        "size and does not use the disk of the node. If it is full, builds fail and the pod is not evicted.",
        json_schema_extra={NO_DEFAULT: True},
    )
    host_path: HostPathStorage | None = Field(
        default=None,
        description="Directory of the node, if the installation allows it. Images and layers are kept when the pod is "
        "replaced on the same node.",
    )

    @model_validator(mode="before")
    @classmethod
    def _none_is_the_default(cls, value: Any) -> Any:
        """The API server rejects storage without a kind. In a stored object it means the default."""
        names = {*_KINDS, "empty_dir", "host_path"}
        if isinstance(value, dict) and not any(value.get(name) is not None for name in names):
            return {**value, "emptyDir": {}}
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(kind is not None for kind in (self.empty_dir, self.ephemeral, self.host_path)) != 1:
            raise ValueError(ONLY_ONE_KIND)
        return self
