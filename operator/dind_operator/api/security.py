"""How much of the node the daemon is given, and which AppArmor profile holds it."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from pydantic import ConfigDict, Field, model_validator

from .model import ApiModel
from .names import SUBDOMAIN_PATTERN
from .rules import FORBIDDEN, REQUIRED, rule, shape, validations


class SecurityMode(StrEnum):
    """With which privileges the daemon runs."""

    PRIVILEGED = "Privileged"
    CAPABILITIES = "Capabilities"
    USER_NAMESPACE = "UserNamespace"


class AppArmorType(StrEnum):
    """Which AppArmor profile the containers run under."""

    UNCONFINED = "Unconfined"
    RUNTIME_DEFAULT = "RuntimeDefault"
    LOCALHOST = "Localhost"


class CloudMetadata(StrEnum):
    """Whether the pod reaches the addresses at which clouds give out a node's credentials."""

    CLOSED = "Closed"
    OPEN = "Open"


# What a profile may be called: a path or a word. Blanks, quotes and control characters never reach an annotation.
LOCALHOST_PROFILE_PATTERN: Final = r"^[A-Za-z0-9_/.][A-Za-z0-9_/.:@+-]*$"
LOCALHOST_REQUIRED = (
    "appArmorProfile.type Localhost needs localhostProfile: set it to the name of a profile that is loaded on the node"
)
LOCALHOST_FORBIDDEN = (
    "appArmorProfile.localhostProfile is only for type Localhost: set type to Localhost, or remove localhostProfile"
)


class AppArmorProfile(ApiModel):
    """The profile of the init container and the daemon, set as the field and, for older kubelets, as the annotation."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "self.type != 'Localhost' || has(self.localhostProfile)",
                LOCALHOST_REQUIRED,
                path=".localhostProfile",
                reason=REQUIRED,
            ),
            rule(
                "self.type == 'Localhost' || !has(self.localhostProfile)",
                LOCALHOST_FORBIDDEN,
                path=".localhostProfile",
                reason=FORBIDDEN,
            ),
        )
    )

    type: AppArmorType = Field(
        default=AppArmorType.UNCONFINED,
        description="Unconfined lets the nested daemon mount. RuntimeDefault is the "
        "container runtime's profile, which forbids mounts: use it only where it was changed to allow them. Localhost "
        "is a profile an administrator loaded on the node.",
    )
    localhost_profile: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        pattern=LOCALHOST_PROFILE_PATTERN,
        description="The name of the profile loaded on the node; required with, and only allowed for, type Localhost.",
        examples=["dind-fine-grained"],
        json_schema_extra=shape(
            LOCALHOST_PROFILE_PATTERN,
            "localhostProfile is no profile's name: use letters, digits and '_', '/', '.', ':', '@', '+', '-'",
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type is AppArmorType.LOCALHOST and self.localhost_profile is None:
            raise ValueError(LOCALHOST_REQUIRED)
        if self.type is not AppArmorType.LOCALHOST and self.localhost_profile is not None:
            raise ValueError(LOCALHOST_FORBIDDEN)
        return self


class SecuritySpec(ApiModel):
    """The daemon's privileges."""

    mode: SecurityMode = Field(
        default=SecurityMode.PRIVILEGED,
        description="Privileged gives the daemon all of the node: whoever may create an environment is root on a node. "
        "Capabilities gives it SYS_ADMIN, NET_ADMIN and NET_RAW beside the runtime's defaults, and none of the node's "
        "devices; it contains accidents, not hostile code, and needs cgroup v2. UserNamespace gives the same within a "
        "user namespace, where root is nobody on the node; it needs cgroup v2 and a RuntimeClass whose handler has "
        "writable cgroups.",
    )
    runtime_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=SUBDOMAIN_PATTERN,
        description="The RuntimeClass of the pod. Left out, the installation's own for mode UserNamespace (`dind` "
        "unless the operator was told otherwise), and none for the other modes.",
        examples=["dind"],
        json_schema_extra=shape(
            SUBDOMAIN_PATTERN,
            "runtimeClassName is no name of a RuntimeClass: use lower-case letters, digits, '-' and '.', or leave it out",
        ),
    )
    app_armor_profile: AppArmorProfile = Field(
        default_factory=AppArmorProfile,
        description="The AppArmor profile of the pod's containers. On a node without AppArmor only Unconfined "
        "starts; the others end in `Ready=False` with reason AppArmorUnavailable.",
    )
    cloud_metadata: CloudMetadata = Field(
        default=CloudMetadata.CLOSED,
        description="Closed: the NetworkPolicy keeps the daemon and its nested containers from the addresses at which clouds give "
        "out a node's credentials (169.254.169.254, fd00:ec2::254). Open: they are let there, for builds that need them. It "
        "needs a network plugin that enforces policies.",
    )
