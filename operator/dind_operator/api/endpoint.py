"""The endpoint of the daemon for other pods: TLS with client certificates, never plain TCP."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from .addresses import IPV4, IPV4_LENGTH, IPV6_LENGTH, ipv6
from .affinity import LabelSelector
from .cel_rules import FORBIDDEN, REQUIRED, cel_text, readable, rule, validations
from .model import ApiModel, WholeNumber

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# The last label of the name starts with a letter, so that no name is also an address.
_DNS: Final = rf"(\*\.)?({_LABEL}\.)*[a-z]([-a-z0-9]*[a-z0-9])?"
_IPV6: Final = ipv6("0-9a-f")
NAME_PATTERN: Final = rf"^({_DNS}|{IPV4}|{_IPV6})$"
CIDR_PATTERN: Final = rf"^({IPV4}/{IPV4_LENGTH}|{_IPV6}/{IPV6_LENGTH})$"
# RFC 1035.
_LABEL_MAX_LENGTH: Final = 63
_NAME_REMEDY: Final = (
    "must be a DNS name or an IP address: write a DNS name in lower case, such as builder.example.com or *.example.com, or an "
    "IP address, without port and without scheme"
)
_CIDR_REMEDY: Final = "must be an address range in CIDR notation: write it as 10.0.0.0/8 or fd00::/8"
_NO_PEER: Final = (
    "an entry of allowFrom must select somebody: set podSelector, namespaceSelector or ipBlock ({} as a selector is all "
    "of them)"
)
_BOTH_KINDS: Final = (
    "ipBlock must be the only field in an entry of allowFrom: move podSelector and namespaceSelector "
    "into an entry of their own"
)
_ATOMIC: Final[dict[str, Any]] = {"x-kubernetes-list-type": "atomic"}

_LONG_LABEL: Final = f"has a part of more than {_LABEL_MAX_LENGTH} characters, which no DNS name has: shorten it"
_LONG_LABEL_PATTERN: Final = rf"[^.:]{{{_LABEL_MAX_LENGTH + 1}}}"


def _server_name(text: str) -> str:
    if not re.search(NAME_PATTERN, text) or text.endswith("\n"):
        raise ValueError(f"{text!r} {_NAME_REMEDY}")
    if re.search(_LONG_LABEL_PATTERN, text):
        raise ValueError(f"{text} {_LONG_LABEL}")
    return text


ServerName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=253),
    AfterValidator(_server_name),
    Field(
        json_schema_extra=validations(
            rule(f"self.matches('{cel_text(NAME_PATTERN)}')", _NAME_REMEDY),
            rule(f"!self.matches('{_LONG_LABEL_PATTERN}')", _LONG_LABEL),
        )
    ),
]
Cidr = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    *readable(CIDR_PATTERN, _CIDR_REMEDY),
]


class IpBlock(ApiModel):
    """IP block as in a NetworkPolicy."""

    cidr: Cidr = Field(description="Address range in CIDR notation.", examples=["10.20.0.0/16"])
    # `except` is a keyword of Python.
    except_: Annotated[list[Cidr], Field(max_length=16)] | None = Field(
        default=None,
        alias="except",
        description="Address ranges within `cidr` that are excluded.",
        json_schema_extra=_ATOMIC,
    )


class EndpointPeer(ApiModel):
    """Peer that may connect to the pod, as in a NetworkPolicy."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule(
                "has(self.podSelector) || has(self.namespaceSelector) || has(self.ipBlock)", _NO_PEER, reason=REQUIRED
            ),
            rule(
                "!has(self.ipBlock) || !has(self.podSelector) && !has(self.namespaceSelector)",
                _BOTH_KINDS,
                path=".ipBlock",
                reason=FORBIDDEN,
            ),
        )
    )

    pod_selector: LabelSelector | None = Field(
        default=None,
        description="Label selector for pods in the environment's namespace, or in the namespaces that `namespaceSelector` "
        "selects. {} selects all pods.",
    )
    namespace_selector: LabelSelector | None = Field(
        default=None,
        description="Label selector for namespaces. {} selects all namespaces. Without `podSelector`, all "
        "pods in these namespaces are selected.",
    )
    ip_block: IpBlock | None = Field(
        default=None, description="Range of IP addresses, for clients outside the cluster."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ip_block is None and self.pod_selector is None and self.namespace_selector is None:
            raise ValueError(_NO_PEER)
        if self.ip_block is not None and (self.pod_selector is not None or self.namespace_selector is not None):
            raise ValueError(_BOTH_KINDS)
        return self


class EndpointSpec(ApiModel):
    """Port 2376 of the daemon: TLS, for clients with a certificate of the environment's certificate authority."""

    enabled: bool = Field(
        default=True,
        strict=True,
        description="Whether the daemon listens on port 2376 with TLS and has certificates. If false, the daemon "
        "listens only on its socket in the pod.",
    )
    extra_names: Annotated[list[ServerName], Field(max_length=32)] = Field(
        default_factory=list,
        description="Additional DNS names and IP addresses in the certificate of the daemon, besides the host names "
        "of the pod, localhost and 127.0.0.1. A change replaces the pod.",
        examples=[["builder.example.com", "192.0.2.10"]],
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    credentials_generation: WholeNumber = Field(
        default=1,
        ge=1,
        le=2147483647,
        description="Increase this number to revoke all certificates. The operator creates a new certificate authority, "
        "and the daemon rejects the old certificates after its next start, which depends on `updatePolicy`. "
        "Until then EndpointReady is False with the reason CredentialsPending.",
    )
    allow_from: Annotated[list[EndpointPeer], Field(max_length=16)] = Field(
        default_factory=list,
        description="NetworkPolicy peers that can connect to port 2376. If omitted, only `kubectl port-forward` can. "
        "Requires a network plugin that enforces NetworkPolicies.",
        json_schema_extra=_ATOMIC,
    )

    @model_validator(mode="after")
    def _names(self) -> Self:
        for name in self.extra_names:
            if ":" in name:
                try:
                    ipaddress.IPv6Address(name)
                except ValueError:
                    raise ValueError(f"extraNames: {name} is {_NAME_REMEDY}") from None
        return self
