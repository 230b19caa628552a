"""The NetworkPolicies. One for each namespace closes the pods of all its environments, and one for an environment opens what its
spec opens.

NetworkPolicies of a pod add up. That of the namespace belongs to no environment, so it applies until the last pod has stopped, also
while the pod of a deleted environment terminates.
"""

from dataclasses import replace
from typing import Any

from dind_operator.api import names
from dind_operator.api.endpoint import EndpointPeer
from dind_operator.api.environment import DindEnvironment
from dind_operator.api.published import DAEMON_PORT, Protocol, PublishedPortsSpec
from dind_operator.api.security import CloudMetadata
from dind_operator.features.endpoint import service as endpoint
from dind_operator.pod.metadata import namespace_labels

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
_API = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}


def baseline(namespace: str, further: tuple[str, ...] = ()) -> dict[str, Any]:
    """For all pods of environments in the namespace: no incoming connections, and none to metadata services.

    ``further``: address ranges in addition to those of metadata services.
    """
    return {
        **_API,
        "metadata": {"name": names.NAMESPACE_POLICY, "namespace": namespace, "labels": namespace_labels()},
        "spec": {
            "podSelector": {"matchLabels": {names.LABEL_MANAGED_BY: names.LABEL_MANAGED_BY_VALUE}},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [{"to": _outside((*METADATA_ADDRESSES, *further))}],
        },
    }


def closed(environment: DindEnvironment) -> DindEnvironment:
    """The environment with the metadata services of clouds blocked."""
    security = environment.spec.security.model_copy(update={"cloud_metadata": CloudMetadata.CLOSED})
    return replace(environment, spec=environment.spec.model_copy(update={"security": security}))


def opening(environment: DindEnvironment) -> dict[str, Any] | None:
    """What the spec opens beyond ``baseline``; None if it opens nothing."""
    rules: dict[str, Any] = {}
    if ingress := _ingress(environment):
        rules["ingress"] = ingress
    if environment.spec.security.cloud_metadata is CloudMetadata.OPEN:
        rules["egress"] = [{}]
    if not rules:
        return None
    return {
        **_API,
        "metadata": endpoint.metadata(environment, environment.name),
        "spec": {
            "podSelector": {"matchLabels": endpoint.selector(environment.name)},
            "policyTypes": [direction.capitalize() for direction in rules],
            **rules,
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


def _outside(excepted: tuple[str, ...]) -> list[dict[str, Any]]:
    """Everything except these ranges."""
    known = dict.fromkeys(excepted)
    blocks = [
        {"cidr": cidr, "except": [address for address in known if (":" in address) == (":" in cidr)]}
        for cidr in ("0.0.0.0/0", "::/0")
    ]
    # Some network plugins apply address ranges only to addresses outside the cluster.
    return [*({"ipBlock": block} for block in blocks), {"namespaceSelector": {}}]
