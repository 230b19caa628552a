"""The endpoint as the network sees it. The policy is judged by evaluating it, as a network plugin does."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from tests.policies import allows_egress, allows_ingress
from tests.unit.objects import model

from dind_operator.api.names import NAME_MAX_LENGTH
from dind_operator.build import endpoint
from dind_operator.build.owned import object_labels

POD = object_labels("builder")
CI = {"namespace": {"kubernetes.io/metadata.name": "ci", "team": "ci"}, "pod": {"app": "runner"}}
HOME = {"namespace": {"kubernetes.io/metadata.name": "team-a"}, "pod": {"app": "runner"}}


def policy(*allow_from: dict[str, Any]) -> dict[str, Any]:
    return endpoint.network_policy(model({"endpoint": {"allowFrom": list(allow_from)}}))


def reaches(found: dict[str, Any], who: dict[str, Any], port: int = 2376) -> bool:
    return allows_ingress(found, POD, "team-a", who, port)


def test_the_names_are_those_of_the_service_this_machine_and_the_users() -> None:
    names = endpoint.server_names(model({"endpoint": {"extraNames": ["builder.example.com"]}}))
    assert names == (
        *("builder", "builder.team-a", "builder.team-a.svc", "builder.team-a.svc.cluster.local"),
        *("localhost", "127.0.0.1", "builder.example.com"),
    )


def test_names_of_objects_fit_into_their_bounds() -> None:
    """A Service's name has at most 63 characters, and the longest suffix is appended to the longest name."""
    longest = "a" * NAME_MAX_LENGTH
    for name in (endpoint.ca_secret_name, endpoint.server_secret_name, endpoint.client_secret_name):
        assert len(name(longest)) <= 63


def test_the_service_leads_to_the_environments_pod_and_no_other() -> None:
    service = endpoint.service(model())
    assert service["spec"]["type"] == "ClusterIP"
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(2376, 2376)]
    selector = service["spec"]["selector"]
    assert selector.items() <= object_labels("builder").items()
    assert not selector.items() <= object_labels("other").items()


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
    for address in ("169.254.169.254", "fd00:ec2::254"):
        assert not allows_egress(policy(), POD, "team-a", {"address": address}), address
    assert allows_egress(policy(), POD, "team-a", CI)
    for text in endpoint.METADATA_ADDRESSES:
        assert ipaddress.ip_network(text).num_addresses == 1


def test_it_is_about_the_environments_pod_alone() -> None:
    other = object_labels("other")
    assert allows_ingress(policy(), other, "team-a", CI, 2375), "no policy is about it"
    assert allows_ingress(policy(), POD, "team-b", CI, 2375), "the same name in another namespace"


def test_the_listener_is_never_without_the_demand_for_a_certificate() -> None:
    assert endpoint.LISTEN == "tcp://0.0.0.0:2376"
    assert endpoint.daemon_settings()["tlsverify"] is True
    mounted = endpoint.mount()["mountPath"]
    assert all(
        str(path).startswith(f"{mounted}/") for key, path in endpoint.daemon_settings().items() if key != "tlsverify"
    )
