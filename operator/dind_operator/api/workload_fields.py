"""Fields of workloads as in a pod: variables, volumes, mounts. References are names in the same namespace."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from .cel_rules import FORBIDDEN, NO_DEFAULT, cel_text, positive, rule, shape, validations, value_rule
from .model import ApiModel, TrueOrFalse, WholeNumber
from .names import SUBDOMAIN_PATTERN
from .quantity import Quantity, parse_bytes

LABEL_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}
BY_NAME: Final[dict[str, Any]] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
DOCKER_HOST: Final = "DOCKER_HOST"
WORKSPACE_PATH: Final = "/workspace"
SOCKET_PATH: Final = "/run/dind"

LabelName = Annotated[str, StringConstraints(min_length=1, max_length=63, pattern=LABEL_PATTERN)]
ObjectName = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
DataKey = Annotated[str, StringConstraints(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]

# Absolute, and without a colon, because container runtimes separate paths with it.
PATH_PATTERN: Final = r"^(/[A-Za-z0-9_.@+-]+)+$"
_PATH_REMEDY: Final = (
    "must be an absolute path: use letters, digits and '_', '.', '@', '+', '-', without '/' at its end"
)
# The characters that a C library allows in the name of a variable.
VARIABLE_PATTERN: Final = r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"
OWNED_VARIABLE: Final = "env DOCKER_HOST is set by the operator to the daemon's socket: remove it"
ONE_VALUE: Final = (
    "a variable of env must have exactly one source: keep value or one part of valueFrom, and remove the others"
)
ONE_FROM: Final = "an entry of envFrom must have exactly one source: set configMapRef or secretRef, and not both"
ONE_VOLUME: Final = (
    "an entry of workloads.volumes must have exactly one kind: keep one of configMap, secret and emptyDir"
)
_OWN_VOLUME: Final = (
    "names of the operator's volumes: choose a name that does not begin with dind- and is not docker-data"
)
_OWN_PATH: Final = (
    f"must not be a path that the operator uses for the socket or the docker CLI ({SOCKET_PATH}*): mount the "
    "volume elsewhere"
)
# No segment is `.` or `..`.
WORKSPACE_PATTERN: Final = r"^(/\.{0,2}[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]*)+$"
# Where the programs of the daemon and of workloads are, and what the operator mounts.
_SYSTEM_PATTERN: Final = (
    r"^/(bin|boot|dev|dind|etc|lib[0-9x]*|proc|run|sbin|sys)(/|$)|^/(home|root|usr|var|var/lib)$|"
    r"^/usr/(bin|include|lib[0-9a-z]*|local|sbin|share)(/|$)|^/var/(lib/docker|lib/containerd|run)(/|$)"
)
_SYSTEM: Final = "must not be a directory of the system or of the operator: choose another one, such as /builds or /home/runner/_work"
_SIZE: Final = "sizeLimit must be more than zero: write a quantity such as 5Gi, or leave it out"


def count(*fields: str) -> str:
    """CEL for the number of fields that are set."""
    return " + ".join(f"(has({field}) ? 1 : 0)" for field in fields)


class KeyReference(ApiModel):
    """Key of a Secret or ConfigMap. If it does not exist, the container does not start."""

    name: ObjectName = Field(description="Name of the object.")
    key: DataKey = Field(description="Name of the key.")


class FieldPath(StrEnum):
    """Fields of the pod that a variable can contain."""

    NAME = "metadata.name"
    NAMESPACE = "metadata.namespace"
    UID = "metadata.uid"
    NODE_NAME = "spec.nodeName"
    POD_IP = "status.podIP"
    HOST_IP = "status.hostIP"


class FieldReference(ApiModel):
    """Field of the pod that contains the value."""

    field_path: FieldPath = Field(description="Path of the field, such as metadata.name.")


class VariableSource(ApiModel):
    """Source of the value of a variable: exactly one."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(f"{count('self.configMapKeyRef', 'self.secretKeyRef', 'self.fieldRef')} == 1", ONE_VALUE)
        )
    )

    config_map_key_ref: KeyReference | None = Field(
        default=None, description="Key of a ConfigMap that contains the value."
    )
    secret_key_ref: KeyReference | None = Field(default=None, description="Key of a Secret that contains the value.")
    field_ref: FieldReference | None = Field(default=None, description="Field of the pod that contains the value.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(source is not None for source in (self.config_map_key_ref, self.secret_key_ref, self.field_ref)) != 1:
            raise ValueError(ONE_VALUE)
        return self


class Variable(ApiModel):
    """Environment variable of a workload."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(f"self.name != '{DOCKER_HOST}'", OWNED_VARIABLE, path=".name", reason=FORBIDDEN),
            rule("!(has(self.value) && has(self.valueFrom))", ONE_VALUE),
        )
    )

    name: str = Field(
        min_length=1,
        max_length=128,
        pattern=VARIABLE_PATTERN,
        description="Name of the variable. The operator sets `DOCKER_HOST`.",
    )
    value: str | None = Field(
        default=None,
        max_length=8192,
        description="Value of the variable. `$(NAME)` is replaced with the value of an earlier variable.",
    )
    value_from: VariableSource | None = Field(default=None, description="Source of the variable's value.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.name == DOCKER_HOST:
            raise ValueError(OWNED_VARIABLE)
        if self.value is not None and self.value_from is not None:
            raise ValueError(ONE_VALUE)
        return self


class ObjectReference(ApiModel):
    """A Secret or a ConfigMap."""

    name: ObjectName = Field(description="Name of the object.")


class VariablesSource(ApiModel):
    """Object whose keys become environment variables."""

    model_config = ConfigDict(
        json_schema_extra=validations(rule("has(self.configMapRef) != has(self.secretRef)", ONE_FROM))
    )

    config_map_ref: ObjectReference | None = Field(
        default=None, description="ConfigMap whose keys become environment variables."
    )
    secret_ref: ObjectReference | None = Field(
        default=None, description="Secret whose keys become environment variables."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.config_map_ref is None) == (self.secret_ref is None):
            raise ValueError(ONE_FROM)
        return self


class Mount(ApiModel):
    """Mount of a volume in `workloads.volumes`."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            value_rule(
                f"!self.mountPath.startsWith('{SOCKET_PATH}')",
                f"'mountPath ' + self.mountPath + ' {cel_text(_OWN_PATH)}'",
                f"mountPath {_OWN_PATH}",
                path=".mountPath",
                reason=FORBIDDEN,
            )
        )
    )

    name: LabelName = Field(description="Name of the volume in `workloads.volumes`.")
    mount_path: str = Field(
        min_length=2,
        max_length=512,
        pattern=PATH_PATTERN,
        description="Absolute path in the container at which the volume is mounted.",
        json_schema_extra=shape(PATH_PATTERN, _PATH_REMEDY),
    )
    read_only: TrueOrFalse | None = Field(default=None, description="Whether the volume is mounted read-only.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mount_path.startswith(SOCKET_PATH):
            raise ValueError(f"mountPath {self.mount_path} {_OWN_PATH}")
        return self


FileMode = Annotated[WholeNumber, Field(ge=0, le=0o777)]


class ConfigMapVolume(ApiModel):
    """ConfigMap whose keys are files in the volume."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    default_mode: FileMode | None = Field(
        default=None, description="Mode of the files, as a decimal number: 493 is 0755."
    )


class SecretVolume(ApiModel):
    """Secret whose keys are files in the volume."""

    secret_name: ObjectName = Field(description="Name of the Secret.")


class ScratchVolume(ApiModel):
    """Empty directory on the disk of the node, which is deleted with the pod."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                f"!has(self.sizeLimit) || !isQuantity(string(self.sizeLimit)) || {positive('self.sizeLimit')}",
                _SIZE,
                path=".sizeLimit",
            )
        )
    )

    size_limit: Quantity | None = Field(
        default=None,
        description="Maximum size of the volume. The kubelet evicts a pod that exceeds it.",
        examples=["5Gi"],
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.size_limit is not None and parse_bytes(self.size_limit) == 0:
            raise ValueError(_SIZE)
        return self


class Workspace(ScratchVolume):
    """Directory that the daemon and all workloads share."""

    path: str = Field(
        default=WORKSPACE_PATH,
        min_length=2,
        max_length=256,
        pattern=WORKSPACE_PATTERN,
        description="Absolute path of the volume in the daemon's container and in all workloads. It hides what images have at "
        f"this path. Defaults to `{WORKSPACE_PATH}`.",
        examples=["/home/runner/_work"],
        json_schema_extra=validations(
            rule(
                f"self.matches('{cel_text(WORKSPACE_PATTERN)}')",
                "path must be an absolute path without '.' and '..': use letters, digits and '_', '.', '@', '+', '-', without '/' at "
                "its end",
            ),
            value_rule(
                f"!self.matches('{cel_text(_SYSTEM_PATTERN)}')",
                f"'path ' + self + ' {_SYSTEM}'",
                f"path {_SYSTEM}",
                reason=FORBIDDEN,
            ),
        )
        | {NO_DEFAULT: True},
    )

    @model_validator(mode="after")
    def _elsewhere(self) -> Self:
        if re.match(_SYSTEM_PATTERN, self.path):
            raise ValueError(f"path {self.path} {_SYSTEM}")
        return self


class Volume(ApiModel):
    """Volume for workloads. Set exactly one of configMap, secret and emptyDir."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(f"{count('self.configMap', 'self.secret', 'self.emptyDir')} == 1", ONE_VOLUME),
            value_rule(
                "!self.name.startsWith('dind-') && self.name != 'docker-data'",
                f"'volume ' + self.name + ' has one of the {cel_text(_OWN_VOLUME)}'",
                f"a volume has one of the {_OWN_VOLUME}",
                path=".name",
                reason=FORBIDDEN,
            ),
        )
    )

    name: LabelName = Field(description="Name of the volume, which `volumeMounts` refer to.")
    config_map: ConfigMapVolume | None = Field(
        default=None, description="ConfigMap whose keys are files in the volume."
    )
    secret: SecretVolume | None = Field(default=None, description="Secret whose keys are files in the volume.")
    empty_dir: ScratchVolume | None = Field(default=None, description="Empty volume that is deleted with the pod.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(kind is not None for kind in (self.config_map, self.secret, self.empty_dir)) != 1:
            raise ValueError(ONE_VOLUME)
        if self.name.startswith("dind-") or self.name == "docker-data":
            raise ValueError(f"volume {self.name} has one of the {_OWN_VOLUME}")
        return self
