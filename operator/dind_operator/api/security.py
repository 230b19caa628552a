"""Privileges of the daemon, and fields of the pod that privileges depend on."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import ConfigDict, Field, model_validator

from .cel_rules import FORBIDDEN, REQUIRED, rule, shape, validations
from .model import ApiModel
from .names import SUBDOMAIN_PATTERN


class SecurityMode(StrEnum):
    """Security modes of the daemon."""

    PRIVILEGED = "Privileged"
    CAPABILITIES = "Capabilities"
    USER_NAMESPACE = "UserNamespace"


class AppArmorType(StrEnum):
    """Types of AppArmor profiles."""

    UNCONFINED = "Unconfined"
    RUNTIME_DEFAULT = "RuntimeDefault"
    LOCALHOST = "Localhost"


class CloudMetadata(StrEnum):
    """Whether the pod can connect to the metadata service of a cloud provider."""

    CLOSED = "Closed"
    OPEN = "Open"


# Only these exist for each pod. The kubelet refuses all others, whatever it is configured to allow.
SYSCTL_PATTERN: Final = (
    r"^(kernel\.(sem|(shm|msg)[-_a-z0-9]*)|fs\.mqueue(\.[a-z0-9][-_a-z0-9]*)+|net(\.[a-z0-9][-_a-z0-9]*)+)$"
)
SYSCTL_TWICE: Final = "security.sysctls has a name twice: keep one of them"
# The name of a profile: a path or a word, without blanks, quotes and control characters.
LOCALHOST_PROFILE_PATTERN: Final = r"^[A-Za-z0-9_/.][A-Za-z0-9_/.:@+-]*$"
LOCALHOST_REQUIRED = (
    "appArmorProfile.type Localhost needs localhostProfile: set it to the name of a profile that is loaded on the node"
)
LOCALHOST_FORBIDDEN = (
    "appArmorProfile.localhostProfile is only for type Localhost: set type to Localhost, or remove localhostProfile"
)


class AppArmorProfile(ApiModel):
    """AppArmor profile of the init container and the daemon. For older kubelets it is also set as an annotation."""

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
        description="Type of the AppArmor profile. Unconfined applies no profile. RuntimeDefault applies the default "
        "profile of the container runtime, which usually forbids the mounts that the daemon needs. Localhost "
        "applies a profile that is loaded on the node.",
    )
    localhost_profile: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        pattern=LOCALHOST_PROFILE_PATTERN,
        description="Name of the profile that is loaded on the node. Required if the type is Localhost, and not allowed "
        "otherwise.",
        examples=["dind-fine-grained"],
        json_schema_extra=shape(
            LOCALHOST_PROFILE_PATTERN,
            "localhostProfile must be the name of a profile: use letters, digits and '_', '/', '.', ':', '@', '+', '-'",
        ),
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.type is AppArmorType.LOCALHOST and self.localhost_profile is None:
            raise ValueError(LOCALHOST_REQUIRED)
        if self.type is not AppArmorType.LOCALHOST and self.localhost_profile is not None:
            raise ValueError(LOCALHOST_FORBIDDEN)
        return self


class Sysctl(ApiModel):
    """Kernel parameter of the pod."""

    name: str = Field(
        min_length=1,
        max_length=253,
        pattern=SYSCTL_PATTERN,
        description="Name of the parameter.",
        examples=["net.ipv4.ip_local_port_range"],
        json_schema_extra=shape(
            SYSCTL_PATTERN,
            "name must be a kernel parameter that each pod has of its own: use net.*, kernel.shm*, kernel.msg*, kernel.sem or "
            "fs.mqueue.*",
        ),
    )
    value: str = Field(max_length=256, description="Value of the parameter.", examples=["1024 65535"])


class SecuritySpec(ApiModel):
    """Privileges of the daemon."""

    mode: SecurityMode = Field(
        default=SecurityMode.PRIVILEGED,
        description="Privileges of the daemon. Privileged runs a privileged container: whoever can create an environment "
        "can become root on a node. Capabilities adds SYS_ADMIN, NET_ADMIN and NET_RAW to the defaults of the "
        "container runtime, without devices of the node; it is not a security boundary and needs cgroup v2. "
        "UserNamespace does the same in a user namespace, in which root maps to an unprivileged UID of the "
        "node; it needs cgroup v2 and a RuntimeClass whose handler has writable cgroups.",
    )
    runtime_class_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=SUBDOMAIN_PATTERN,
        description="Name of the RuntimeClass of the pod. Defaults to the RuntimeClass of the installation (`dind`, if not "
        "configured) for the mode UserNamespace, and to none for the other modes.",
        examples=["dind"],
        json_schema_extra=shape(
            SUBDOMAIN_PATTERN,
            "runtimeClassName must be the name of a RuntimeClass: use lower-case letters, digits, '-' and '.', or leave it out",
        ),
    )
    app_armor_profile: AppArmorProfile = Field(
        default_factory=AppArmorProfile,
        description="AppArmor profile of the init container and of the daemon's container. On a node without AppArmor only "
        "Unconfined works; other "
        "types lead to `Ready=False` with the reason AppArmorUnavailable.",
    )
    cloud_metadata: CloudMetadata = Field(
        default=CloudMetadata.CLOSED,
        description="Whether the daemon and nested containers can reach the metadata service of the cloud, such as "
        "169.254.169.254, which provides credentials of the node. Closed blocks it with a NetworkPolicy, which the network "
        "plugin must enforce. Open allows it.",
    )
    service_account_name: str | None = Field(
        default=None,
        min_length=1,
        max_length=253,
        pattern=SUBDOMAIN_PATTERN,
        description="Name of the ServiceAccount of the pod, for identities of cloud providers. The installation must allow it (the "
        "chart's value `allowedServiceAccounts`, empty by default). Its token is not mounted. Defaults to `default`.",
        examples=["image-pusher"],
        json_schema_extra=shape(
            SUBDOMAIN_PATTERN,
            "serviceAccountName must be the name of a ServiceAccount: use lower-case letters, digits, '-' and '.', or leave it out",
        ),
    )
    sysctls: Annotated[list[Sysctl], Field(max_length=16)] | None = Field(
        default=None,
        description="Kernel parameters of the pod. Nested containers have their own network parameters: use "
        "`docker run --sysctl` for these. The kubelet rejects a pod with parameters that it does not allow.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len({item.name for item in self.sysctls or []}) < len(self.sysctls or []):
            raise ValueError(SYSCTL_TWICE)
        return self
