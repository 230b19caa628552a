"""Evaluates NetworkPolicies as the API defines them, for clusters whose network plugin does not enforce them.

It is written from the API reference and shares no code with the operator. A pod that policies select accepts what a rule of one of
them allows. A pod that no policy selects accepts everything. A peer is {"address": text}, or {"namespace": labels, "pod": labels}.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

Other = Mapping[str, Any]
Policy = Mapping[str, Any]


def allows_ingress(
    policies: Iterable[Policy],
    pod: Mapping[str, str],
    namespace: str,
    who: Other,
    port: int,
    protocol: str = "TCP",
) -> bool:
    """Whether `who` may open a connection to a port of the pod with these labels, if these are all policies."""
    return _allows(policies, pod, namespace, who, (port, protocol), "Ingress", "ingress", "from")


def allows_egress(
    policies: Iterable[Policy], pod: Mapping[str, str], namespace: str, who: Other, port: int = 443
) -> bool:
    """Whether the pod with these labels may open a TCP connection to a port of `who`."""
    return _allows(policies, pod, namespace, who, (port, "TCP"), "Egress", "egress", "to")


def _allows(
    policies: Iterable[Policy],
    pod: Mapping[str, str],
    namespace: str,
    who: Other,
    port: tuple[int, str],
    kind: str,
    rules: str,
    peers: str,
) -> bool:
    specs = [policy["spec"] for policy in policies if policy["metadata"]["namespace"] == namespace]
    about = [spec for spec in specs if kind in spec["policyTypes"] and selects(spec["podSelector"], pod)]
    return not about or any(
        _port(rule.get("ports"), port) and _peer(rule.get(peers), who, namespace)
        for spec in about
        for rule in spec.get(rules) or []
    )


def _port(ports: list[Mapping[str, Any]] | None, wanted: tuple[int, str]) -> bool:
    """No list is every port."""
    return not ports or any(
        item.get("protocol", "TCP") == wanted[1] and _within_ports(item, wanted[0]) for item in ports
    )


def _within_ports(item: Mapping[str, Any], port: int) -> bool:
    first = item.get("port")
    return first is None or first <= port <= item.get("endPort", first)


def _peer(peers: list[Mapping[str, Any]] | None, who: Other, home: str) -> bool:
    """No list is everybody."""
    return not peers or any(_matches(peer, who, home) for peer in peers)


def _matches(peer: Mapping[str, Any], who: Other, home: str) -> bool:
    block = peer.get("ipBlock")
    if block is not None:
        return "address" in who and _within(block, who["address"])
    if "address" in who:
        return False
    if "namespaceSelector" in peer:
        there = selects(peer["namespaceSelector"], who["namespace"])
    else:
        there = who["namespace"]["kubernetes.io/metadata.name"] == home
    return there and selects(peer.get("podSelector") or {}, who["pod"])


def _within(block: Mapping[str, Any], text: str) -> bool:
    address = ipaddress.ip_address(text)
    return address in ipaddress.ip_network(block["cidr"]) and not any(
        address in ipaddress.ip_network(left_out) for left_out in block.get("except") or []
    )


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """A label selector; an empty one selects everything."""
    exact = (selector.get("matchLabels") or {}).items() <= dict(labels).items()
    return exact and all(_holds(item, labels) for item in selector.get("matchExpressions") or [])


def _holds(requirement: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values") or []
    match requirement["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
