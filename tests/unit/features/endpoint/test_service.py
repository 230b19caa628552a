"""The endpoint as the network sees it."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.objects import SETTINGS, model

from dind_operator.api.names import NAME_MAX_LENGTH
from dind_operator.features.endpoint import service as endpoint
from dind_operator.pod.metadata import object_labels


def test_the_names_are_those_of_the_pod_this_machine_and_the_users() -> None:
    names = endpoint.server_names(model({"endpoint": {"extraNames": ["builder.example.com"]}}), "dind")
    assert names == (
        *("builder", "builder.dind", "builder.dind.team-a", "builder.dind.team-a.svc"),
        *("builder.dind.team-a.svc.cluster.local", "localhost", "127.0.0.1", "builder.example.com"),
    )


def test_a_pod_of_an_older_operator_keeps_the_names_of_its_service() -> None:
    names = endpoint.server_names(model(), None)
    assert names[:4] == ("builder", "builder.team-a", "builder.team-a.svc", "builder.team-a.svc.cluster.local")
    assert endpoint.url("builder", "team-a", None) == "tcp://builder.team-a.svc:2376"


def test_names_of_objects_fit_into_their_bounds() -> None:
    """A Service's name has at most 63 characters, and the longest suffix is appended to the longest name."""
    longest = "a" * NAME_MAX_LENGTH
    for name in (endpoint.ca_secret_name, endpoint.server_secret_name, endpoint.client_secret_name):
        assert len(name(longest)) <= 63


def test_the_service_names_the_pods_of_all_environments_and_no_others() -> None:
    service = endpoint.service("team-a", "daemons")
    spec = service["spec"]
    assert service["metadata"]["name"] == "daemons"
    assert spec["clusterIP"] == "None"
    assert all(spec["selector"].items() <= object_labels(name).items() for name in ("builder", "other"))
    assert endpoint.part(model(), replace(SETTINGS, subdomain="daemons")).pod_fields == {
        "hostname": "builder",
        "subdomain": "daemons",
    }


def test_only_files_that_the_operator_wrote_are_mounted() -> None:
    items = endpoint.volume("builder")["secret"]["items"]
    assert [item["key"] for item in items] == [item["path"] for item in items] == ["ca.pem", "cert.pem", "key.pem"]


def test_the_listener_is_never_without_the_demand_for_a_certificate() -> None:
    assert endpoint.LISTEN == "tcp://0.0.0.0:2376"
    assert endpoint.daemon_settings()["tlsverify"] is True
    mounted = endpoint.mount()["mountPath"]
    assert all(
        str(path).startswith(f"{mounted}/") for key, path in endpoint.daemon_settings().items() if key != "tlsverify"
    )
