"""The NetworkPolicy of an environment's pod: its clients, and the addresses that it can connect to."""

from dataclasses import replace
from typing import Any

from dind_operator.api.endpoint import EndpointPeer
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.published import DAEMON_PORT, Protocol, PublishedPortsSpec
from dind_operator.api.security import CloudMetadata
from dind_operator.features.endpoint import service as endpoint

METADATA_ADDRESSES = (
    "169.254.169.254/32",  # AWS, Azure, Google Cloud, Oracle Cloud, OpenStack and most others
    "fd00:ec2::254/128",  # AWS
    "fd20:ce::254/128",  # Google Cloud
    "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
    "100.100.100.200/32",  # Alibaba Cloud
    "168.63.129.16/32",  # Azure's WireServer, which gives out extensions' settings and certificates of the node
)
"""The metadata services of clouds, which give out the credentials of the node. The installation can add further addresses."""
_LAST_PORT = 65535


def needed(environment: DindEnvironment) -> bool:
    """Whether the environment needs a NetworkPolicy: with an endpoint, or with `spec.publishedPorts`."""
    return environment.spec.endpoint.enabled or environment.spec.published_ports is not None


def closed(environment: DindEnvironment) -> DindEnvironment:
    """The environment with the metadata services of clouds blocked."""
    security = environment.spec.security.model_copy(update={"cloud_metadata": CloudMetadata.CLOSED})
    return replace(environment, spec=environment.spec.model_copy(update={"security": security}))


def network_policy(environment: DindEnvironment, further: tuple[str, ...] = ()) -> dict[str, Any]:
    """Only clients in ``allowFrom`` can connect to the pod. The pod can connect to all addresses except metadata services."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": endpoint.metadata(environment, environment.name),
        "spec": {
            "podSelector": {"matchLabels": endpoint.selector(environment.name)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(environment),
            "egress": [{"to": _everywhere(environment.spec.security.cloud_metadata, (*METADATA_ADDRESSES, *further))}],
        },
    }


def _ingress(environment: DindEnvironment) -> list[dict[str, Any]]:
    spec, rules = environment.spec, []
    if spec.endpoint.enabled and spec.endpoint.allow_from:
        ports = [{"protocol": "TCP", "port": DAEMON_PORT}]
        rules.append({"from": _peers(spec.endpoint.allow_from), "ports": ports})
    published = spec.published_ports
    if published is not None and published.allow_from:
        rules.append({"from": _peers(published.allow_from), "ports": _ports(published)})
    return rules


def _peers(peers: list[EndpointPeer]) -> list[dict[str, Any]]:
    return [peer.to_dict() for peer in peers]


def _ports(published: PublishedPortsSpec) -> list[dict[str, Any]]:
    """The ports in the spec, or all except the port of the daemon, which a rule without ports would include."""
    if not published.ports:
        below, above = (1, DAEMON_PORT - 1), (DAEMON_PORT + 1, _LAST_PORT)
        ranges = [(Protocol.TCP, below), (Protocol.TCP, above)]
        ranges += [(protocol, (1, _LAST_PORT)) for protocol in (Protocol.UDP, Protocol.SCTP)]
        return [{"protocol": protocol.value, "port": first, "endPort": last} for protocol, (first, last) in ranges]
    return [
        {"protocol": item.protocol.value, "port": item.port}
        | ({"endPort": item.end_port} if item.end_port is not None else {})
        for item in published.ports
    ]


def _everywhere(metadata: CloudMetadata, addresses: tuple[str, ...]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
    if metadata is CloudMetadata.CLOSED:
        known = dict.fromkeys(addresses)
        for block in blocks:
            block["except"] = [address for address in known if (":" in address) == (":" in block["cidr"])]
    # Some network plugins apply address ranges only to addresses outside the cluster.
    return [*({"ipBlock": block} for block in blocks), {"namespaceSelector": {}}]
