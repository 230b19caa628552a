"""Settings of the installation for all environments."""

from dataclasses import dataclass

DEFAULT_RESERVE_MEMORY = "256Mi"
"""Reserved for dockerd, containerd and their shims; measured in docs/benchmarks.md."""

DEFAULT_RUNTIME_CLASS = "dind"
"""RuntimeClass of the mode UserNamespace, with writable cgroups, as the documentation and the chart name it."""

DEFAULT_SUBDOMAIN = "dind"
"""The headless Service of a namespace, and the domain of the host names of its environments."""

DEFAULT_MINUTE_SECONDS = 60
"""Tests use shorter minutes."""


@dataclass(frozen=True, slots=True)
class ProxyDefault:
    """The proxy of environments that do not set one. At least one of the URLs is set."""

    http: str | None = None
    https: str | None = None
    direct: tuple[str, ...] = ()
    """Hosts, domains and ranges that are accessed without the proxy."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Defaults that may change with a release. They are reported in status and never written to spec."""

    daemon_image: str
    node_tool_image: str
    node_tool_pull_policy: str = "IfNotPresent"
    default_reserve_memory: str = DEFAULT_RESERVE_MEMORY
    default_runtime_class: str = DEFAULT_RUNTIME_CLASS
    host_path_prefixes: tuple[str, ...] = ()
    """Directories of nodes in which environments may use a directory; none by default."""
    allowed_service_accounts: tuple[str, ...] = ()
    """Service accounts that environments may use beside default, by name or prefix with a star; none by default."""
    cluster_cidrs: tuple[str, ...] = ()
    """Address ranges of the cluster that nested networks must not use."""
    metadata_addresses: tuple[str, ...] = ()
    """Ranges that pods cannot connect to beside the metadata services that the operator knows."""
    subdomain: str = DEFAULT_SUBDOMAIN
    default_registry_mirrors: tuple[str, ...] = ()
    """Mirrors of Docker Hub for environments without mirrors."""
    default_proxy: ProxyDefault | None = None
    minute_seconds: int = DEFAULT_MINUTE_SECONDS
    """The length of a minute for the helper in the pod."""
