"""What the installation decides for every environment: images and the default reserve."""

from dataclasses import dataclass

DEFAULT_RESERVE_MEMORY = "256Mi"
"""Held back from nested containers for dockerd, containerd and their shims; measured in docs/benchmarks.md."""

DEFAULT_RUNTIME_CLASS = "dind"
"""Of mode UserNamespace: what the documentation and the chart call the RuntimeClass with writable cgroups."""


DEFAULT_MINUTE_SECONDS = 60
"""Tests make lifetimes shorter by shorter minutes."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Defaults that may change with a release, so they are resolved here and shown in status, never written to spec."""

    daemon_image: str
    node_tool_image: str
    node_tool_pull_policy: str = "IfNotPresent"
    default_reserve_memory: str = DEFAULT_RESERVE_MEMORY
    default_runtime_class: str = DEFAULT_RUNTIME_CLASS
    host_path_prefixes: tuple[str, ...] = ()
    """Folders of the nodes in which environments may have a folder of their own; none unless an administrator says so."""
    cluster_cidrs: tuple[str, ...] = ()
    """Ranges of the cluster that nested networks must leave alone, as far as an administrator names them."""
    default_registry_mirrors: tuple[str, ...] = ()
    """Mirrors of Docker Hub for environments that name none."""
    minute_seconds: int = DEFAULT_MINUTE_SECONDS
    """How long a minute is to the pod's helper."""
