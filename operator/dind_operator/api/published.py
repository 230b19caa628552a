"""Ports that nested containers publish, and access to them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import ConfigDict, Field, model_validator

from .cel_rules import FORBIDDEN, rule, validations
from .endpoint import EndpointPeer
from .model import ApiModel, WholeNumber

DAEMON_PORT: Final = 2376
"""The registered port of Docker with TLS, which the endpoint uses."""
_LAST_PORT: Final = 65535
_BACKWARDS: Final = "endPort must not be less than port: write the lower end of the range as port"
_DAEMON: Final = (
    f"port {DAEMON_PORT} is the daemon's own: leave it out of publishedPorts.ports (also as a part of a range), and name who "
    "may reach it in endpoint.allowFrom"
)
_TWICE: Final = "two entries of publishedPorts.ports have the same port and protocol: remove one"


class Protocol(StrEnum):
    """Protocols of published ports."""

    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


class PublishedPort(ApiModel):
    """Port or range of ports of the pod, as in a NetworkPolicy."""

    model_config = ConfigDict(
        json_schema_extra=validations(
            rule("!has(self.endPort) || self.endPort >= self.port", _BACKWARDS, path=".endPort"),
            rule(
                f"self.protocol != 'TCP' || self.port > {DAEMON_PORT} || "
                f"(has(self.endPort) ? self.endPort : self.port) < {DAEMON_PORT}",
                _DAEMON,
                path=".port",
                reason=FORBIDDEN,
            ),
        )
    )

    port: WholeNumber = Field(
        ge=1,
        le=_LAST_PORT,
        description="Port on the pod's address, such as 8080 in `docker run --publish 8080:80`.",
        examples=[8080],
    )
    end_port: WholeNumber | None = Field(
        default=None,
        ge=1,
        le=_LAST_PORT,
        description="Last port of a range that starts with `port`.",
        examples=[8090],
    )
    protocol: Protocol = Field(default=Protocol.TCP, description="Protocol of the port: TCP, UDP or SCTP.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        last = self.port if self.end_port is None else self.end_port
        if last < self.port:
            raise ValueError(_BACKWARDS)
        if self.protocol is Protocol.TCP and self.port <= DAEMON_PORT <= last:
            raise ValueError(_DAEMON)
        return self


_KEYED: Final[dict[str, Any]] = {
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["port", "protocol"],
}


class PublishedPortsSpec(ApiModel):
    """Ports that nested containers publish on the address of the pod."""

    allow_from: Annotated[list[EndpointPeer], Field(max_length=16)] = Field(
        default_factory=list,
        description="NetworkPolicy peers that can connect to published ports. If omitted, nobody can. Requires a network "
        "plugin that enforces NetworkPolicies.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    ports: Annotated[list[PublishedPort], Field(max_length=32)] = Field(
        default_factory=list,
        description="Published ports that can be reached. Defaults to all ports except 2376.",
        json_schema_extra=_KEYED,
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len({(item.port, item.protocol) for item in self.ports}) < len(self.ports):
            raise ValueError(_TWICE)
        return self
