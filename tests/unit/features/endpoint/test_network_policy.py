"""The NetworkPolicies of an environment and of its namespace, judged by evaluating them together, as a network plugin does."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from tests.policies import allows_egress, allows_ingress
from tests.unit.objects import model

from dind_operator.api.names import NAME_PATTERN
from dind_operator.features.endpoint import network_policy
from dind_operator.pod.metadata import object_labels

POD = object_labels("builder")
CI = {"namespace": {"kubernetes.io/metadata.name": "ci", "team": "ci"}, "pod": {"app": "runner"}}
HOME = {"namespace": {"kubernetes.io/metadata.name": "team-a"}, "pod": {"app": "runner"}}


def of(fields: dict[str, Any], further: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The policies of an environment's pod."""
    own = network_policy.opening(model(fields))
    return [network_policy.baseline("team-a", further), *([own] if own is not None else [])]


def policy(*allow_from: dict[str, Any]) -> list[dict[str, Any]]:
    return of({"endpoint": {"allowFrom": list(allow_from)}})


def published(fields: dict[str, Any], *, endpoint: bool = True) -> list[dict[str, Any]]:
    return of({"endpoint": {"enabled": endpoint}, "publishedPorts": fields})


def reaches(found: list[dict[str, Any]], who: dict[str, Any], port: int = 2376, protocol: str = "TCP") -> bool:
    return allows_ingress(found, POD, "team-a", who, port, protocol)


def test_by_default_nobody_reaches_it() -> None:
    for who in (CI, HOME, {"address": "10.0.0.1"}):
        assert not reaches(policy(), who)


@pytest.mark.parametrize(
    ("peer", "let_in"),
    [
        ({"podSelector": {}}, ["home"]),
        ({"podSelector": {"matchLabels": {"app": "other"}}}, []),
        ({"namespaceSelector": {}}, ["ci", "home"]),
        ({"namespaceSelector": {"matchLabels": {"team": "ci"}}}, ["ci"]),
        ({"namespaceSelector": {"matchLabels": {"team": "ci"}}, "podSelector": {"matchLabels": {"app": "x"}}}, []),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}}, ["near"]),
        ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}, ["far"]),
    ],
)
def test_who_is_named_reaches_port_2376_and_only_that(peer: dict[str, Any], let_in: list[str]) -> None:
    asking = {"ci": CI, "home": HOME, "near": {"address": "10.0.0.1"}, "far": {"address": "192.0.2.1"}}
    found = policy(peer)
    assert [name for name, who in asking.items() if reaches(found, who)] == let_in
    assert not any(reaches(found, who, 2375) for who in asking.values())
    assert not any(reaches(found, who, 80) for who in asking.values())


def test_it_reaches_all_but_the_clouds_metadata() -> None:
    for address in ("1.1.1.1", "10.96.0.10", "169.254.20.10", "169.254.169.253", "2001:db8::1", "fd00:ec2::253"):
        assert allows_egress(policy(), POD, "team-a", {"address": address}), address
    clouds = (
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:c1::a9fe:a9fe",
    )
    for address in clouds:
        assert not allows_egress(policy(), POD, "team-a", {"address": address}), address
    assert allows_egress(policy(), POD, "team-a", CI)
    for text in network_policy.METADATA_ADDRESSES:
        assert ipaddress.ip_network(text).num_addresses == 1


def test_the_installation_closes_further_addresses_and_none_of_an_environment_that_opens_them() -> None:
    further = ("198.51.100.0/24", "2001:db8:1::/64", "169.254.169.254/32")
    found = of({}, further)
    for address in ("198.51.100.7", "2001:db8:1::7", "169.254.169.254", "fd00:ec2::254"):
        assert not allows_egress(found, POD, "team-a", {"address": address}), address
    assert allows_egress(found, POD, "team-a", {"address": "198.51.101.7"})
    opened = of({"security": {"cloudMetadata": "Open"}}, further)
    assert allows_egress(opened, POD, "team-a", {"address": "198.51.100.7"})


def test_what_an_environment_opens_is_its_own_pod_alone() -> None:
    found = policy({"namespaceSelector": {}})
    assert reaches(found, CI)
    assert not allows_ingress(found, object_labels("other"), "team-a", CI, 2376), "that of another environment"
    assert allows_ingress(found, {"app": "other"}, "team-a", CI, 80), "no policy is about what is not an environment's"
    assert allows_ingress(found, POD, "team-b", CI, 2375), "nor about another namespace"


HOMES: dict[str, Any] = {"allowFrom": [{"podSelector": {}}]}


@pytest.mark.parametrize("endpoint", [True, False])
def test_published_ports_are_all_but_the_daemons(endpoint: bool) -> None:
    found = published(HOMES, endpoint=endpoint)
    for port, protocol in (
        (1, "TCP"),
        (80, "TCP"),
        (2375, "TCP"),
        (2377, "TCP"),
        (65535, "TCP"),
        (2376, "UDP"),
        (9, "SCTP"),
    ):
        assert reaches(found, HOME, port, protocol), (port, protocol)
        assert not reaches(found, CI, port, protocol), "nobody named it"
    assert not reaches(found, HOME, 2376), "who reaches the daemon is said elsewhere"
    for nobody in (published({}, endpoint=endpoint), published({"ports": [{"port": 80}]}, endpoint=endpoint)):
        assert not reaches(nobody, HOME, 80)


def test_published_ports_that_are_named_are_all() -> None:
    ports = [{"port": 8080}, {"port": 9000, "endPort": 9010}, {"port": 53, "protocol": "UDP"}]
    found = published(HOMES | {"ports": ports})
    opened = {
        (port, protocol)
        for port in (53, 80, 2376, 8079, 8080, 8081, 8999, 9000, 9005, 9010, 9011)
        for protocol in ("TCP", "UDP", "SCTP")
        if reaches(found, HOME, port, protocol)
    }
    assert opened == {(8080, "TCP"), (9000, "TCP"), (9005, "TCP"), (9010, "TCP"), (53, "UDP")}


def test_who_reaches_the_daemon_reaches_no_published_port_and_the_other_way_round() -> None:
    fields: dict[str, Any] = {
        "endpoint": {"allowFrom": [{"namespaceSelector": {"matchLabels": {"team": "ci"}}}]},
        "publishedPorts": HOMES,
    }
    found = of(fields)
    asked = [(who, port) for who in (CI, HOME) for port in (2376, 8080)]
    assert [reaches(found, who, port) for who, port in asked] == [True, False, False, True]
    fields["endpoint"]["enabled"] = False
    off = of(fields)
    assert [reaches(off, who, port) for who, port in asked] == [False, False, False, True]


def test_metadata_may_be_opened() -> None:
    fields = {"security": {"cloudMetadata": "Open"}}
    for address in ("169.254.169.254", "fd00:ec2::254", "192.0.2.1"):
        assert allows_egress(of(fields), POD, "team-a", {"address": address})
    assert not allows_egress(published({}, endpoint=False), POD, "team-a", {"address": "169.254.169.254"})


@pytest.mark.parametrize(
    ("fields", "types"),
    [
        ({}, None),
        ({"endpoint": {"enabled": False}}, None),
        ({"publishedPorts": {"ports": [{"port": 80}]}}, None),
        ({"endpoint": {"enabled": False, "allowFrom": [{"podSelector": {}}]}}, None),
        ({"endpoint": {"allowFrom": [{"podSelector": {}}]}}, ["Ingress"]),
        ({"endpoint": {"enabled": False}, "publishedPorts": HOMES}, ["Ingress"]),
        ({"security": {"cloudMetadata": "Open"}}, ["Egress"]),
        ({"security": {"cloudMetadata": "Open"}, "publishedPorts": HOMES}, ["Ingress", "Egress"]),
    ],
)
def test_an_environment_has_one_of_its_own_where_it_opens_something(
    fields: dict[str, Any], types: list[str] | None
) -> None:
    found = network_policy.opening(model(fields))
    assert (found["spec"]["policyTypes"] if found is not None else None) == types


def test_that_of_the_namespace_belongs_to_no_environment() -> None:
    metadata = network_policy.baseline("team-a")["metadata"]
    assert "ownerReferences" not in metadata
    assert not re.fullmatch(NAME_PATTERN, metadata["name"]), "no environment has its name"
