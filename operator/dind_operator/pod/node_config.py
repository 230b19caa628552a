"""The configuration of dind-node, the program in the pod: one JSON document in one environment variable.

The Go side is node/internal/config. It rejects members that it does not know, and node/internal/config/testdata/full.json, which a
test compares with this model, contains every member.
"""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from dind_operator.api.conditions import Reason
from dind_operator.api.model import ApiModel
from dind_operator.pod.errors import UnbuildableError

CONFIG_VARIABLE: Final = "DIND_NODE_CONFIG"
MAX_BYTES: Final = 120 * 1024
"""The limit of the kernel for one variable, with its name, is 128 KiB (MAX_ARG_STRLEN)."""


class Key(ApiModel):
    """A key of a ConfigMap or Secret in the environment's namespace. dind-node names it in messages."""

    kind: Literal["ConfigMap", "Secret"]
    name: str
    key: str


class StorageConfig(ApiModel):
    """The docker volume."""

    driver: str | None = None
    """The storage driver in the spec. Without it, dind-node makes sure that dockerd finds a driver other than vfs."""
    host_directory: str | None = None
    """The name of the directory of the node, directly below the allowed prefix."""
    owner: str | None = None
    """The owner of this directory (namespace/name uid), for the message if it is in use."""


class NetworkConfig(ApiModel):
    """Settings of nested networks. dind-node selects the rest in the pod. Ranges are in CIDR notation."""

    mtu: int | None = None
    bridge_address: str | None = None
    address_pools: list[str] | None = None
    config_bridge_address: str | None = None
    """From `spec.daemon.config`, as the pools below."""
    config_address_pools: list[str] | None = None
    decided: list[str] | None = None
    """Settings in `spec.daemon.config` and `spec.daemon.args` that dind-node must not select. None only without an operator."""
    ipv6: Literal["Enabled", "Disabled"] | None = None
    avoid: list[str] | None = None
    cluster_cidrs: list[str] | None = None
    firewall_backend: str | None = None


class MirrorConfig(ApiModel):
    """A mirror of a registry."""

    registry: str
    url: str


class AuthorityConfig(ApiModel):
    """The source of the CA certificates of a registry."""

    registry: str
    source: Key


class RegistryConfig(ApiModel):
    """Registries: mirrors for the files of dockerd and BuildKit, and the sources of the mounted files."""

    mirrors: list[MirrorConfig] | None = None
    insecure: list[str] | None = None
    authorities: list[AuthorityConfig] | None = None
    trust: Key | None = None
    """The CA certificates that the environment trusts."""
    credentials: Key | None = None


class ProxyConfig(ApiModel):
    """Present if nested containers use the proxy in the variables of the container."""

    secret: str | None = None
    """The Secret with the URLs, for the message if neither of its keys exists."""


class NodeConfig(ApiModel):
    """All of it. dind-node has defaults for members that are absent."""

    security_mode: str | None = None
    reserve_bytes: int | None = None
    """Memory that nested containers cannot use."""
    socket: str | None = None
    daemon_config: dict[str, Any] | None = None
    """daemon.json, to which dind-node adds what it selects."""
    storage: StorageConfig | None = None
    network: NetworkConfig | None = None
    registry: RegistryConfig | None = None
    proxy: ProxyConfig | None = None
    preload: list[str] | None = None
    """Images that are pulled before the daemon is ready."""
    cli_directory: str | None = None
    """The directory to which dind-node copies the docker CLI of the daemon's image."""


DAEMON_ONLY: Final = ("preload", "cli_directory")
"""Members of features that the init container does not need."""


def encoded(config: NodeConfig) -> str:
    """Compact JSON with sorted keys and without absent members. Raises UnbuildableError (InvalidDaemonConfig) if it is too large."""
    members = config.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"daemon_config"})
    if config.daemon_config is not None:
        # As it is: a null in it has a meaning for dockerd.
        members["daemonConfig"] = config.daemon_config
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    if len(text.encode()) > MAX_BYTES:
        raise UnbuildableError(
            Reason.INVALID_DAEMON_CONFIG,
            f"The configuration of the container daemon is {len(text.encode())} bytes. It must be at most {MAX_BYTES} bytes. Remove "
            "settings from spec.daemon.config, spec.daemon.preload, spec.network or spec.registry.",
        )
    return text
