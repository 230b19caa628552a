"""The settings of the operator, from environment variables with the prefix ``DIND_``. The chart sets them from its values."""

import json
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from dind_operator.api.names import NAME_PATTERN, SUBDOMAIN_PATTERN
from dind_operator.api.network import Proxy
from dind_operator.api.quantity import parse_bytes
from dind_operator.api.registry import Mirror
from dind_operator.api.storage import is_plain_path
from dind_operator.features.policy.rules import MAX_ENTRIES, PolicyRules, ReferredName
from dind_operator.pod.defaults import (
    DEFAULT_MINUTE_SECONDS,
    DEFAULT_RESERVE_MEMORY,
    DEFAULT_RUNTIME_CLASS,
    DEFAULT_SUBDOMAIN,
    BuildSettings,
    ProxyDefault,
)
from dind_operator.state.observed import Policy
from dind_operator.state.periods import REAL, Periods


def _quantity(text: str) -> str:
    parse_bytes(text)
    return text


def _parse_json(value: object) -> object:
    """Parse a variable as JSON. The parser of pydantic-settings exits with a traceback if the value is invalid."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError(f"must be valid JSON: {error}") from error


def _prefixes(found: tuple[str, ...]) -> tuple[str, ...]:
    """No prefix contains another one. Otherwise the directory of an environment could contain that of another environment."""
    for path in found:
        if not is_plain_path(path):
            raise ValueError(f"{path!r} must be an absolute path without '.', '..', '//' and a trailing '/'")
        if outer := next((other for other in found if path.startswith(other + "/")), None):
            raise ValueError(f"{path!r} must not be a subdirectory of {outer!r}: remove one of them")
    return found


HostPathPrefixes = Annotated[
    tuple[Annotated[str, Field(max_length=256)], ...],
    NoDecode,
    BeforeValidator(_parse_json),
    AfterValidator(_prefixes),
    Field(max_length=64),
]


def _parts(found: tuple[str, ...]) -> tuple[str, ...]:
    """A NetworkPolicy cannot except all addresses."""
    if whole := next((text for text in found if text.endswith("/0")), None):
        raise ValueError(f"{whole} contains all addresses: write smaller ranges")
    return found


def _ranges(found: tuple[str, ...]) -> tuple[str, ...]:
    """IPv4 and IPv6 ranges in canonical form."""
    return tuple(str(ip_network(text, strict=False)) for text in found)


ClusterCidrs = Annotated[
    tuple[Annotated[str, Field(max_length=49)], ...],
    NoDecode,
    BeforeValidator(_parse_json),
    AfterValidator(_ranges),
    Field(max_length=32),
]


def _without_secret(found: Proxy | None) -> Proxy | None:
    """A Secret is one of a namespace, and the default is for all of them."""
    if found is not None and found.secret_ref is not None:
        raise ValueError("secretRef is not allowed here: set httpProxy or httpsProxy")
    return found


class Settings(BaseSettings):
    """The settings. Durations are in seconds. If a value is invalid, the operator exits with a message that names the variable."""

    model_config = SettingsConfigDict(env_prefix="DIND_", frozen=True)

    daemon_image: Annotated[str, Field(min_length=1)]
    node_tool_image: Annotated[str, Field(min_length=1)]
    node_tool_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    default_reserve_memory: Annotated[str, AfterValidator(_quantity)] = DEFAULT_RESERVE_MEMORY
    default_runtime_class: Annotated[str, Field(pattern=SUBDOMAIN_PATTERN, max_length=253)] = DEFAULT_RUNTIME_CLASS
    subdomain: Annotated[str, Field(pattern=NAME_PATTERN, max_length=63)] = DEFAULT_SUBDOMAIN

    # As JSON: ["/srv/dind"], because paths can contain commas and colons.
    host_path_prefixes: HostPathPrefixes = ()

    # As JSON: ["image-pusher", "ci-*"].
    allowed_service_accounts: Annotated[
        tuple[ReferredName, ...], NoDecode, BeforeValidator(_parse_json), Field(max_length=MAX_ENTRIES)
    ] = ()

    # As JSON: ["10.96.0.0/12", "10.244.0.0/16"].
    cluster_cidrs: ClusterCidrs = ()
    # As JSON: ["169.254.170.2/32"].
    metadata_addresses: Annotated[ClusterCidrs, AfterValidator(_parts)] = ()
    # As JSON: ["https://mirror.example.com"]. For environments without mirrors of their own.
    default_registry_mirrors: Annotated[
        tuple[Mirror, ...], NoDecode, BeforeValidator(_parse_json), Field(max_length=8)
    ] = ()

    # As JSON: {"httpProxy": "http://proxy.example.com:3128"}. For environments without a proxy of their own.
    default_proxy: Annotated[Proxy | None, NoDecode, BeforeValidator(_parse_json), AfterValidator(_without_secret)] = (
        None
    )

    # As JSON: policy.rules of the chart. None: no policy.
    policy_rules: Annotated[PolicyRules | None, NoDecode, BeforeValidator(_parse_json)] = None

    require_namespace_label: bool = True
    endpoints_enabled: bool = True
    read_pod_logs: bool = True
    volume_check_seconds: Annotated[float, Field(ge=0, le=86400)] = 60
    endpoint_check_seconds: Annotated[float, Field(ge=1, le=86400)] = 60
    workers: Annotated[int, Field(ge=1, le=256)] = 32
    resync_seconds: Annotated[float, Field(ge=1, le=86400)] = 300

    # The chart has no values for these settings. Tests shorten them with extraEnv.
    minute_seconds: Annotated[int, Field(ge=1, le=60)] = DEFAULT_MINUTE_SECONDS
    blocked_check_seconds: Annotated[float, Field(ge=1, le=300)] = REAL.blocked_check_seconds
    # An integer, because times in status have no fractions of a second.
    backoff_seconds: Annotated[int, Field(ge=1, le=300)] = int(REAL.backoff.total_seconds())

    listen_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    leader_election: bool = True
    pod_namespace: str = "default"
    pod_name: str = ""
    log_format: Literal["json", "text"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def policy(self) -> Policy:
        """The settings that the reconciler needs."""
        build = BuildSettings(
            daemon_image=self.daemon_image,
            node_tool_image=self.node_tool_image,
            node_tool_pull_policy=self.node_tool_pull_policy,
            default_reserve_memory=self.default_reserve_memory,
            default_runtime_class=self.default_runtime_class,
            subdomain=self.subdomain,
            host_path_prefixes=self.host_path_prefixes,
            allowed_service_accounts=self.allowed_service_accounts,
            cluster_cidrs=self.cluster_cidrs,
            metadata_addresses=self.metadata_addresses,
            default_registry_mirrors=self.default_registry_mirrors,
            default_proxy=self._proxy,
            minute_seconds=self.minute_seconds,
        )
        return Policy(
            build=build,
            require_namespace_label=self.require_namespace_label,
            serves_endpoints=self.endpoints_enabled,
            policy_rules=self.policy_rules,
            periods=self._periods,
        )

    @property
    def _proxy(self) -> ProxyDefault | None:
        found = self.default_proxy
        return ProxyDefault(found.http_proxy, found.https_proxy, tuple(found.no_proxy)) if found is not None else None

    @property
    def _periods(self) -> Periods:
        return Periods(
            minute=timedelta(seconds=self.minute_seconds),
            blocked_check_seconds=self.blocked_check_seconds,
            backoff=timedelta(seconds=self.backoff_seconds),
        )
