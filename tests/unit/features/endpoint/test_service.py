"""The endpoint as the network sees it."""

from __future__ import annotations

from typing import Any

from tests.unit.objects import model

from dind_operator.api.names import NAME_MAX_LENGTH
from dind_operator.features.endpoint import service as endpoint
from dind_operator.pod.metadata import object_labels


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
    assert service is not None
    assert service["spec"]["type"] == "ClusterIP"
    assert [(port["port"], port["targetPort"]) for port in service["spec"]["ports"]] == [(2376, 2376)]
    selector = service["spec"]["selector"]
    assert selector.items() <= object_labels("builder").items()
    assert not selector.items() <= object_labels("other").items()


PUBLISHED = [{"port": 8080}, {"port": 9000, "endPort": 9010}, {"port": 53, "protocol": "UDP"}]


def ports(fields: dict[str, Any]) -> list[tuple[str, str, int]]:
    service = endpoint.service(model(fields)) or {"spec": {"ports": []}}
    return [(port["name"], port["protocol"], port["targetPort"]) for port in service["spec"]["ports"]]


def test_the_service_carries_the_published_ports_that_are_named_one_by_one() -> None:
    named = [("tcp-8080", "TCP", 8080), ("udp-53", "UDP", 53)]
    fields = {"publishedPorts": {"ports": PUBLISHED}}
    assert ports(fields) == [("docker-tls", "TCP", 2376), *named]
    assert ports(fields | {"endpoint": {"enabled": False}}) == named
    assert ports({"publishedPorts": {}}) == [("docker-tls", "TCP", 2376)]
    assert endpoint.service(model({"publishedPorts": {}, "endpoint": {"enabled": False}})) is None


def test_the_listener_is_never_without_the_demand_for_a_certificate() -> None:
    assert endpoint.LISTEN == "tcp://0.0.0.0:2376"
    assert endpoint.daemon_settings()["tlsverify"] is True
    mounted = endpoint.mount()["mountPath"]
    assert all(
        str(path).startswith(f"{mounted}/") for key, path in endpoint.daemon_settings().items() if key != "tlsverify"
    )
