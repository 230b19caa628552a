"""The model of `spec`. All fields are optional: `spec: {}` creates a Docker daemon with the defaults."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Self

from pydantic import ConfigDict, Field, model_validator

from .affinity import Affinity
from .cel_rules import FORBIDDEN, NO_DEFAULT, amount, both_amounts, rule, validations, value_rule
from .daemon import PROXY_VARIABLES, DaemonSpec, LocalSecret, LogLevel, PullPolicy
from .daemon_rules import field_errors, field_rules
from .endpoint import EndpointPeer, EndpointSpec, IpBlock
from .lifetime import Expire, LifetimeSpec
from .model import ApiModel
from .network import AddressPool, DNSPolicy, FirewallBackend, IPv6, NetworkDNS, NetworkSpec, Proxy
from .pod_metadata import PodMetadata
from .probes import ProbesSpec, ProbeTuning
from .published import PublishedPort, PublishedPortsSpec
from .quantity import parse_quantity
from .registry import CaBundle, EnvironmentCaBundle, KeyReference, RegistryMirrors, RegistrySpec
from .resources import MEMORY, Reserve, Resources
from .scheduling import SchedulingSpec, Toleration, TopologySpreadConstraint
from .security import AppArmorProfile, AppArmorType, CloudMetadata, SecurityMode, SecuritySpec
from .storage import EmptyDirStorage, EphemeralStorage, HostPathStorage, StorageMedium, StorageSpec
from .workloads import RestartPolicy, Workload, WorkloadsSpec

__all__ = [
    "AddressPool",
    "Affinity",
    "AppArmorProfile",
    "AppArmorType",
    "CaBundle",
    "CloudMetadata",
    "DNSPolicy",
    "DaemonSpec",
    "DindEnvironmentSpec",
    "DisruptionPolicy",
    "EmptyDirStorage",
    "EndpointPeer",
    "EndpointSpec",
    "EnvironmentCaBundle",
    "EphemeralStorage",
    "Expire",
    "FirewallBackend",
    "HostPathStorage",
    "IPv6",
    "IpBlock",
    "KeyReference",
    "LifetimeSpec",
    "LocalSecret",
    "LogLevel",
    "NetworkDNS",
    "NetworkSpec",
    "OperatingMode",
    "ProbeTuning",
    "ProbesSpec",
    "Proxy",
    "PublishedPort",
    "PublishedPortsSpec",
    "PullPolicy",
    "RegistryMirrors",
    "RegistrySpec",
    "Reserve",
    "Resources",
    "RestartPolicy",
    "SchedulingSpec",
    "SecurityMode",
    "SecuritySpec",
    "StorageMedium",
    "StorageSpec",
    "Toleration",
    "TopologySpreadConstraint",
    "UpdatePolicy",
    "Workload",
    "WorkloadsSpec",
]


class OperatingMode(StrEnum):
    """Whether the environment runs."""

    RUNNING = "Running"
    SUSPENDED = "Suspended"


class UpdatePolicy(StrEnum):
    """When a change of the spec is applied to the pod."""

    RECREATE = "Recreate"
    ON_DELETE = "OnDelete"


class DisruptionPolicy(StrEnum):
    """Whether the pod can be evicted, by a drain of its node or an autoscaler."""

    ALLOW = "Allow"
    PROTECT = "Protect"


_SIZE: Final = "self.storage.emptyDir.sizeLimit"
_LIMIT: Final = "self.daemon.resources.limits['memory']"
_RESERVE: Final = "self.daemon.reserve.memory"
_HAS_BOTH: Final = (
    "has(self.storage) && has(self.storage.emptyDir) && "
    "self.storage.emptyDir.medium == 'Memory' && has(self.storage.emptyDir.sizeLimit) && "
    "has(self.daemon.resources) && has(self.daemon.resources.limits) && 'memory' in self.daemon.resources.limits"
)
_HAS_RESERVE: Final = f"has(self.daemon.reserve) && has({_RESERVE}) && isQuantity(string({_RESERVE}))"
_NOTHING_LEFT: Final = (
    "leave nothing of daemon.resources.limits.memory to nested containers: raise the limit, or lower sizeLimit or "
    "daemon.reserve.memory"
)
_PROXY_TWICE: Final = (
    f"network.proxy is mutually exclusive with {', '.join(PROXY_VARIABLES)} in daemon.env: remove one of them"
)
_RULES: Final = validations(
    rule(
        "!(has(self.network) && has(self.network.proxy) && has(self.daemon) && has(self.daemon.env) && "
        f"self.daemon.env.exists(e, e.name.upperAscii() in {list(PROXY_VARIABLES)}))",
        _PROXY_TWICE,
        path=".network.proxy",
        reason=FORBIDDEN,
    ),
    value_rule(
        f"!({_HAS_BOTH}) || !({both_amounts(_SIZE, _LIMIT)}) || {amount(_LIMIT)}.sub({amount(_SIZE)})"
        f".sub({_HAS_RESERVE} ? {amount(_RESERVE)} : quantity('0')).isGreaterThan(quantity('0'))",
        f"'storage.emptyDir.sizeLimit ' + string({_SIZE}) + ' (in memory) and the daemon reserve {_NOTHING_LEFT}; "
        f"the limit is ' + string({_LIMIT})",
        f"storage.emptyDir.sizeLimit (in memory) and the daemon reserve {_NOTHING_LEFT}",
        path=".storage.emptyDir.sizeLimit",
    ),
    *field_rules(),
)


class DindEnvironmentSpec(ApiModel):
    """Desired state of the DindEnvironment."""

    model_config = ConfigDict(json_schema_extra=_RULES)

    operating_mode: OperatingMode = Field(
        default=OperatingMode.RUNNING,
        description="Whether the environment has a pod. Running keeps a pod running. Suspended deletes the pod, with all "
        "data on an emptyDir volume, and keeps the endpoint and its certificates.",
    )
    daemon: DaemonSpec = Field(
        default_factory=DaemonSpec, description="Image, resources and settings of the Docker daemon."
    )
    storage: StorageSpec = Field(
        default_factory=StorageSpec,
        description="Volume at /var/lib/docker, where Docker stores images and layers. Set at most one kind of volume. "
        "Defaults to an emptyDir volume on the disk of the node.",
        # A default in the object would conflict with a kind that `kubectl apply` sets later.
        json_schema_extra={NO_DEFAULT: True},
    )
    security: SecuritySpec = Field(
        default_factory=SecuritySpec,
        description="Privileges and AppArmor profile of the daemon's container. Also service account and sysctls of the "
        "pod.",
    )
    network: NetworkSpec = Field(
        default_factory=NetworkSpec,
        description="Networks of nested containers: MTU, addresses and DNS. The init container of the pod chooses values "
        "for omitted fields. Also host aliases and DNS of the pod.",
    )
    registry: RegistrySpec = Field(
        default_factory=RegistrySpec,
        description="Registries of the daemon: mirrors, certificate authorities and credentials.",
    )
    ca_bundle: EnvironmentCaBundle | None = Field(
        default=None,
        description="Certificate authorities that the daemon trusts in addition to the public ones, for pulls, builds and "
        "the Git repositories of builds. Certificates for single registries can be in `registry.caBundles`.",
        # The keys have defaults. In the object it would be a bundle without a source.
        json_schema_extra={NO_DEFAULT: True},
    )
    endpoint: EndpointSpec = Field(
        default_factory=EndpointSpec,
        description="Access to the daemon from other pods, with TLS and client certificates.",
    )
    published_ports: PublishedPortsSpec | None = Field(
        default=None,
        description="Access to ports that nested containers publish on the pod's address (`docker run --publish`). If "
        "omitted, nobody can connect to them. A change does not replace the pod.",
        # A default in the object would look like a decision of the user.
        json_schema_extra={NO_DEFAULT: True},
    )
    pod_metadata: PodMetadata = Field(
        default_factory=PodMetadata,
        description="Labels and annotations of the pod, for example for cost allocation or for a service mesh.",
    )
    scheduling: SchedulingSpec = Field(default_factory=SchedulingSpec, description="Scheduling constraints of the pod.")
    probes: ProbesSpec = Field(default_factory=ProbesSpec, description="Timing of the probes on the daemon.")
    lifetime: LifetimeSpec | None = Field(
        default=None,
        description="Expiry of the environment. If omitted, the environment does not expire.",
        # A default in the object would be a lifetime without an expiry.
        json_schema_extra={NO_DEFAULT: True},
    )
    workloads: WorkloadsSpec | None = Field(
        default=None,
        description="Containers that run in the daemon's pod and use its socket, which gives them root access to the "
        "daemon. If omitted, the pod runs only the daemon.",
        # A default in the object would be workloads without a container.
        json_schema_extra={NO_DEFAULT: True},
    )
    update_policy: UpdatePolicy = Field(
        default=UpdatePolicy.RECREATE,
        description="How changes of the spec that need a new pod are applied. Recreate replaces the pod. OnDelete keeps "
        "the pod with its old settings until it is deleted, and reports this in the condition UpToDate.",
    )
    disruption_policy: DisruptionPolicy = Field(
        default=DisruptionPolicy.ALLOW,
        description="Whether the pod can be evicted, for example by a drain of its node. Allow permits evictions. Protect "
        "creates a PodDisruptionBudget that denies evictions while the pod is running, so that a drain waits "
        "until the environment is suspended or deleted. It does not protect the pod from deletion.",
    )

    @model_validator(mode="after")
    def _set_once(self) -> Self:
        fields = {"network": self.network.to_dict(), "registry": self.registry.to_dict()}
        problems = list(field_errors(fields, self.daemon.config, self.daemon.args))
        if self.network.proxy is not None and self.daemon.sets_proxy:
            problems.append(_PROXY_TWICE)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        volume, limit = self.storage.empty_dir, (self.daemon.resources.limits or {}).get(MEMORY)
        if volume is None or volume.medium is not StorageMedium.MEMORY or volume.size_limit is None or limit is None:
            return self
        reserve = parse_quantity(self.daemon.reserve.memory or 0)
        if parse_quantity(limit) - parse_quantity(volume.size_limit) - reserve <= 0:
            raise ValueError(
                f"storage.emptyDir.sizeLimit {volume.size_limit} (in memory) and the daemon reserve {_NOTHING_LEFT}; "
                f"the limit is {limit}"
            )
        return self
