"""Networks of nested containers (MTU, addresses, DNS and firewall), and the name resolution of the pod.

The init container chooses values for omitted fields of nested networks.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from .addresses import ADDRESS_PATTERN, IPV4, RANGE_PATTERN
from .cel_rules import NO_DEFAULT, REQUIRED, cel_text, readable, rule, shape, validations
from .daemon import LocalSecret
from .model import ApiModel, WholeNumber


class FirewallBackend(StrEnum):
    """Backends of iptables."""

    AUTO = "Auto"
    NFT = "Nft"
    LEGACY = "Legacy"


class IPv6(StrEnum):
    """Whether nested networks have IPv6."""

    AUTO = "Auto"
    ENABLED = "Enabled"
    DISABLED = "Disabled"


class DNSPolicy(StrEnum):
    """DNS policies of the pod."""

    CLUSTER_FIRST = "ClusterFirst"
    DEFAULT = "Default"
    NONE = "None"


_BRIDGE_PATTERN: Final = rf"^{IPV4}/([89]|[12][0-9]|30)$"
_BRIDGE_REMEDY: Final = (
    "must be an IPv4 address with the length of its network: write the bridge's own address, such as "
    "172.30.0.1/24, with a length from 8 to 30"
)
_BASE_PATTERN: Final = rf"^{IPV4}/([89]|[12][0-9])$"
_BASE_REMEDY: Final = (
    "must be an IPv4 range: write its first address and its length, such as 172.31.0.0/16, from 8 to 29"
)
_CIDR_REMEDY: Final = (
    "must be an address range in CIDR notation: write its first address and its length, such as 10.0.0.0/8"
)
_ADDRESS_REMEDY: Final = "must be an IP address: write one that nested containers can reach, such as 10.96.0.10"
_POD_ADDRESS_REMEDY: Final = "must be an IP address: write one such as 10.96.0.10"
_HOST_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
# As in a pod, where it may end in a dot. Kubernetes accepts underscores from 1.33.
_POD_SEARCH_PATTERN: Final = r"^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*\.?$"
_HERE_REMEDY: Final = (
    "a loopback or link-local address, which nested containers cannot reach: name another, or leave nameservers out and the "
    "pod's own are used"
)
_HERE_PATTERN: Final = r"^(127\.|[0:]*:0{0,3}1$|[fF][eE][89aAbB][0-9a-fA-F]:)"
_SEARCH_PATTERN: Final = r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$"
_OPTION_PATTERN: Final = r"^[a-z][a-z0-9-]*$"


def _address(text: str) -> str:
    if not re.fullmatch(ADDRESS_PATTERN, text):
        raise ValueError(f"{text!r} {_ADDRESS_REMEDY}")
    found = ipaddress.ip_address(text)
    if found.is_loopback or (found.version == 6 and found.is_link_local):
        raise ValueError(f"{text} is {_HERE_REMEDY}")
    return text


IPv4Range = Annotated[str, StringConstraints(max_length=18), *readable(_BASE_PATTERN, _BASE_REMEDY)]
BridgeAddress = Annotated[str, StringConstraints(max_length=18), *readable(_BRIDGE_PATTERN, _BRIDGE_REMEDY)]
CIDR = Annotated[
    str,
    StringConstraints(max_length=49),
    *readable(RANGE_PATTERN, _CIDR_REMEDY),
]
Nameserver = Annotated[
    str,
    StringConstraints(max_length=45),
    AfterValidator(_address),
    Field(
        json_schema_extra=validations(
            rule(f"self.matches('{cel_text(ADDRESS_PATTERN)}')", _ADDRESS_REMEDY),
            rule(f"!self.matches('{cel_text(_HERE_PATTERN)}')", _HERE_REMEDY),
        )
    ),
]
Search = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=_SEARCH_PATTERN),
    Field(
        json_schema_extra=shape(
            _SEARCH_PATTERN,
            "must be a domain name: use letters, digits, '-', '_' and '.', as in team-a.svc.cluster.local",
        )
    ),
]
PodAddress = Annotated[str, StringConstraints(max_length=45), *readable(ADDRESS_PATTERN, _POD_ADDRESS_REMEDY)]
HostName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=_HOST_PATTERN),
    Field(
        json_schema_extra=shape(
            _HOST_PATTERN,
            "must be a host name: use lower-case letters, digits, '-' and '.', as in registry.example.com",
        )
    ),
]
PodSearch = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=_POD_SEARCH_PATTERN),
    Field(
        json_schema_extra=shape(
            _POD_SEARCH_PATTERN,
            "must be a domain name: use lower-case letters, digits, '-', '_' and '.', as in example.com",
        )
    ),
]

_SIZE: Final = "int(self.base.substring(self.base.indexOf('/') + 1))"
SIZE_REMEDY: Final = (
    "addressPools.size must be the base's length or more, and at most 10 more, which is 1024 networks: it is the length of "
    "each network that is cut from the base"
)


class AddressPool(ApiModel):
    """Address pool for networks."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                f"!self.base.matches('{cel_text(_BASE_PATTERN)}') || "
                f"(self.size >= {_SIZE} && self.size <= {_SIZE} + 10)",
                SIZE_REMEDY,
                path=".size",
            )
        )
    )

    base: IPv4Range = Field(
        description="Address range in CIDR notation. It must not contain an address that is in use in the network of the "
        "pod.",
        examples=["172.31.0.0/16"],
    )
    size: WholeNumber = Field(
        ge=8, le=30, description="Prefix length of each network in the range. With 24, each network has 254 addresses."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        length = int(self.base.partition("/")[2])
        if not length <= self.size <= length + 10:
            raise ValueError(SIZE_REMEDY)
        return self


class DNSOption(ApiModel):
    """An option of resolv.conf."""

    name: str = Field(
        min_length=1,
        max_length=63,
        pattern=_OPTION_PATTERN,
        description="Name of the resolver option.",
        examples=["ndots"],
        json_schema_extra=shape(_OPTION_PATTERN, "name must be an option of resolv.conf: use its word, such as ndots"),
    )
    value: str | None = Field(
        default=None,
        max_length=16,
        pattern=r"^[0-9]+$",
        description="Value of the resolver option, if it has one.",
    )


DNS_EMPTY: Final = "dns must not be empty: set dns.nameservers, dns.searches or dns.options, or leave dns out"


class NetworkDNS(ApiModel):
    """DNS of nested containers, as in dnsConfig of a pod. Omitted fields have the values of the pod."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule("has(self.nameservers) || has(self.searches) || has(self.options)", DNS_EMPTY, reason=REQUIRED)
        )
    )

    nameservers: Annotated[list[Nameserver], Field(min_length=1, max_length=3)] | None = Field(
        default=None,
        description="Addresses of nameservers that replace those of the pod. Names of the cluster are resolved only if "
        "these nameservers resolve them.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    searches: Annotated[list[Search], Field(min_length=1, max_length=32)] | None = Field(
        default=None,
        description="DNS search domains that replace those of the pod.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    options: Annotated[list[DNSOption], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Resolver options that replace those of the pod.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not (self.nameservers or self.searches or self.options):
            raise ValueError(DNS_EMPTY)
        return self


class HostAlias(ApiModel):
    """Line of /etc/hosts."""

    ip: PodAddress = Field(description="Address of the host names.", examples=["10.1.2.3"])
    hostnames: Annotated[list[HostName], Field(min_length=1, max_length=16)] = Field(
        description="Host names.",
        examples=[["registry.example.com"]],
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class PodDNSConfig(ApiModel):
    """DNS parameters of the pod, with the fields of a pod's dnsConfig."""

    nameservers: Annotated[list[PodAddress], Field(max_length=3)] | None = Field(
        default=None,
        description="Addresses of nameservers, in addition to those of the DNS policy.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    searches: Annotated[list[PodSearch], Field(max_length=32)] | None = Field(
        default=None,
        description="DNS search domains, in addition to those of the DNS policy.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    options: Annotated[list[DNSOption], Field(max_length=16)] | None = Field(
        default=None,
        description="Resolver options, in addition to those of the DNS policy.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


DNS_NONE: Final = (
    "network.dnsPolicy None leaves the pod without nameservers: set network.dnsConfig.nameservers, or choose "
    "another policy"
)
ALIAS_TWICE: Final = "network.hostAliases has an address twice: list all of its host names in one entry"

# Without user information: many can read a spec.
PROXY_PATTERN: Final = r"^https?://([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?/?$"
_PROXY_REMEDY: Final = (
    "must be the URL of a proxy: write it as http://proxy.example.com:3128, without user and password. Put a URL with a "
    "password into a Secret and name the Secret in network.proxy.secretRef"
)
NO_PROXY_PATTERN: Final = (
    r"^((\*?\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5}|/[0-9]{1,2})?|"
    r"[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(/[0-9]{1,3})?)$"
)
_NO_PROXY_REMEDY: Final = (
    "must be a host, domain, address or address range: write one entry for each, such as .example.com or 10.0.0.0/8"
)
_PROXY_SOURCES: Final = (
    "network.proxy must have httpProxy or httpsProxy, or else secretRef: set the URLs in one of the two places"
)

ProxyUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=512, pattern=PROXY_PATTERN),
    Field(json_schema_extra=shape(PROXY_PATTERN, _PROXY_REMEDY)),
]
NoProxy = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253, pattern=NO_PROXY_PATTERN),
    Field(json_schema_extra=shape(NO_PROXY_PATTERN, _NO_PROXY_REMEDY)),
]


class Proxy(ApiModel):
    """HTTP proxy of the environment."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "has(self.secretRef) != (has(self.httpProxy) || has(self.httpsProxy))", _PROXY_SOURCES, reason=REQUIRED
            )
        )
    )

    http_proxy: ProxyUrl | None = Field(
        default=None,
        description="URL of the proxy for http:// URLs.",
        examples=["http://proxy.example.com:3128"],
    )
    https_proxy: ProxyUrl | None = Field(
        default=None,
        description="URL of the proxy for https:// URLs. The proxy itself is usually accessed with http://.",
        examples=["http://proxy.example.com:3128"],
    )
    no_proxy: Annotated[list[NoProxy], Field(max_length=64)] = Field(
        default_factory=list,
        description="Hosts, domains and address ranges that are accessed without the proxy, in addition to those of the "
        "cluster and of the environment.",
        examples=[[".example.com", "192.0.2.0/24"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    secret_ref: LocalSecret | None = Field(
        default=None,
        description="Secret with the keys httpProxy and httpsProxy, of which one can be missing, for URLs with a user and "
        "password. Nested containers and workloads can read the URLs. A change of the Secret takes effect in the next pod.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.secret_ref is not None) == bool(self.http_proxy or self.https_proxy):
            raise ValueError(_PROXY_SOURCES)
        return self


class NetworkSpec(ApiModel):
    """Networks of nested containers, and name resolution of the pod.

    If a field of nested networks is omitted, the corresponding key in `daemon.config` applies.
    """

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "!has(self.dnsPolicy) || self.dnsPolicy != 'None' || has(self.dnsConfig) && has(self.dnsConfig.nameservers) && "
                "size(self.dnsConfig.nameservers) > 0",
                DNS_NONE,
                path=".dnsConfig",
                reason=REQUIRED,
            )
        )
    )

    mtu: WholeNumber | None = Field(
        default=None,
        ge=576,
        le=65535,
        description="MTU of the nested networks, in bytes. Defaults to the MTU of the pod's default route. It applies to "
        "the default bridge and, with Docker 24 or later, to all other networks that do not set their own.",
        examples=[1400],
    )
    bridge_address: BridgeAddress | None = Field(
        default=None,
        description="Address of the default bridge, docker0, with its prefix length. If omitted, an address is chosen that "
        "does not conflict with the pod's addresses, routes and nameservers, the node, the known Service "
        "ranges, and `avoid`.",
        examples=["172.30.0.1/24"],
    )
    address_pools: Annotated[list[AddressPool], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Ranges for networks other than the default bridge. If omitted, ranges without conflicts are chosen, "
        "as for `bridgeAddress`.",
        examples=[[{"base": "172.31.0.0/16", "size": 24}]],
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    avoid: Annotated[list[CIDR], Field(max_length=32)] = Field(
        default_factory=list,
        description="Address ranges that nested networks must not use, for example the network of a company that builds "
        "need to reach.",
        examples=[["10.0.0.0/8"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    dns: NetworkDNS | None = Field(
        default=None,
        description="DNS settings of nested containers. Defaults to the settings of the pod, which include the cluster's "
        "DNS. A nameserver on a loopback address of the pod is made reachable for nested containers.",
    )
    proxy: Proxy | None = Field(
        default=None,
        description="HTTP proxy of the daemon, of builds, nested containers and workloads. Defaults to that of the "
        "installation (`proxy` of the chart).",
        json_schema_extra={NO_DEFAULT: True},
    )
    firewall_backend: FirewallBackend = Field(
        default=FirewallBackend.AUTO,
        description="Backend of iptables in the daemon's container. Auto uses the default of the image, or the legacy "
        "backend if only that works. With Nft and Legacy, the environment does not become ready if the backend "
        "does not work.",
    )
    ipv6: IPv6 = Field(
        default=IPv6.AUTO,
        description="Whether nested networks have IPv6. Auto enables it if the pod has a global IPv6 address, ip6tables "
        "works, and the Docker version is 27 or later. Enabled enables it without such an address and with "
        "older versions of Docker, for which it turns on experimental features; the environment does not "
        "become ready if ip6tables does not work. Disabled turns it off.",
    )
    host_aliases: Annotated[list[HostAlias], Field(max_length=32)] | None = Field(
        default=None,
        description="Lines of /etc/hosts in the containers of the pod, for example for a registry. Nested containers "
        "have their own /etc/hosts: use `docker run --add-host` for these.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["ip"]},
    )
    dns_policy: DNSPolicy = Field(
        default=DNSPolicy.CLUSTER_FIRST,
        description="DNS policy of the pod, which nested containers inherit. ClusterFirst, the default, uses the DNS of the "
        "cluster. Default uses the nameservers of the node. None uses only dnsConfig.",
        json_schema_extra={NO_DEFAULT: True},
    )
    dns_config: PodDNSConfig | None = Field(
        default=None,
        description="DNS parameters of the pod, in addition to those of the DNS policy. Nested containers inherit them, unless "
        "`dns` replaces them.",
    )

    @model_validator(mode="after")
    def _resolves(self) -> Self:
        if self.dns_policy is DNSPolicy.NONE and not (self.dns_config and self.dns_config.nameservers):
            raise ValueError(DNS_NONE)
        if len({item.ip for item in self.host_aliases or []}) < len(self.host_aliases or []):
            raise ValueError(ALIAS_TWICE)
        return self
