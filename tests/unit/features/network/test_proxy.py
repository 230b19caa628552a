"""The HTTP proxy in the pod: whose variables it is in, and what is accessed without it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import SETTINGS, model

from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.pod.defaults import BuildSettings, ProxyDefault
from dind_operator.pod.errors import UnbuildableError
from dind_operator.pod.node_config import CONFIG_VARIABLE

URL = "http://p.example.com:3128"
WORK = {
    "workloads": {
        "containers": [{"name": "work", "image": "i"}, {"name": "own", "image": "i", "env": [{"name": "NO_PROXY"}]}]
    }
}
DEFAULT = replace(SETTINGS, default_proxy=ProxyDefault(https="http://default:3128", direct=(".default",)))


def variables(fields: dict[str, Any], settings: BuildSettings = SETTINGS) -> dict[str, dict[str, Any]]:
    """The variables of each container by its name; a value, or the reference."""
    spec = daemon_pod(model(fields), settings)["spec"]
    return {
        container["name"]: {item["name"]: item.get("value", item.get("valueFrom")) for item in container["env"]}
        for container in (*spec["initContainers"], *spec["containers"])
    }


def proxy_of(found: dict[str, dict[str, Any]], container: str) -> Any:
    """The member `proxy` of the configuration of dind-node."""
    return json.loads(found[container][CONFIG_VARIABLE]).get("proxy")


def test_without_one_nobody_has_it() -> None:
    for found in variables(WORK).values():
        assert not [name for name in found if "PROXY" in name.upper() and name != "NO_PROXY"]


def test_the_daemon_and_workloads_have_it_in_both_spellings() -> None:
    found = variables({**WORK, "network": {"proxy": {"httpProxy": URL, "httpsProxy": "http://q:1"}}})
    for name in ("mount-cgroups", "daemon", "work"):
        assert found[name]["HTTP_PROXY"] == found[name]["http_proxy"] == URL
        assert found[name]["HTTPS_PROXY"] == found[name]["https_proxy"] == "http://q:1"
        assert found[name]["NO_PROXY"] == found[name]["no_proxy"]
    assert found["own"]["NO_PROXY"] is None, "a variable that the workload sets is its own"
    assert "no_proxy" not in found["own"], "in every spelling: programs differ in which they prefer"
    assert found["own"]["HTTP_PROXY"] == URL
    assert proxy_of(found, "daemon") == {}
    assert CONFIG_VARIABLE not in found["work"]


def test_what_is_near_is_accessed_without_it() -> None:
    fields = {
        "network": {
            "proxy": {"httpProxy": URL, "noProxy": [".example.com", ".svc"]},
            "bridgeAddress": "172.30.0.1/24",
            "addressPools": [{"base": "172.31.0.0/16", "size": 24}],
        }
    }
    settings = replace(SETTINGS, cluster_cidrs=("10.96.0.0/12",))
    environment = model(fields)
    assert variables(fields, settings)["daemon"]["NO_PROXY"].split(",") == [
        *("localhost", "127.0.0.0/8", "::1", ".svc", ".cluster.local", environment.name, "10.96.0.0/12"),
        *("172.30.0.0/24", "172.31.0.0/16", ".example.com"),
    ]
    assert "HTTPS_PROXY" not in variables(fields)["daemon"]


def test_a_secret_is_read_by_the_kubelet() -> None:
    found = variables({**WORK, "network": {"proxy": {"secretRef": {"name": "proxy"}}}})
    for name in ("mount-cgroups", "daemon", "work"):
        for variable, key in (("HTTP_PROXY", "httpProxy"), ("https_proxy", "httpsProxy")):
            reference = {"name": "proxy", "key": key, "optional": True}
            assert found[name][variable] == {"secretKeyRef": reference}
    assert proxy_of(found, "mount-cgroups") == proxy_of(found, "daemon") == {"secret": "proxy"}


def test_the_environments_own_secrets_are_not_for_it() -> None:
    name = model({}).name
    with pytest.raises(UnbuildableError, match="reserved for the operator"):
        variables({"network": {"proxy": {"secretRef": {"name": f"{name}-server"}}}})
    with pytest.raises(UnbuildableError, match="reserved for the operator"):
        variables({"caBundle": {"secretRef": {"name": f"{name}-ca"}}})


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "http://default:3128"),
        ({"network": {"proxy": {"httpsProxy": URL}}}, URL),
        ({"daemon": {"env": [{"name": "https_proxy", "value": "http://own"}]}}, None),
        ({"daemon": {"config": {"proxies": {}}}}, None),
        ({"daemon": {"args": ["--http-proxy=http://own"]}}, None),
    ],
)
def test_the_default_is_for_those_that_say_nothing(fields: dict[str, Any], url: str | None) -> None:
    every = variables(fields, DEFAULT)
    found = every["daemon"]
    assert found.get("HTTPS_PROXY") == url
    assert (".default" in found.get("NO_PROXY", "")) == (url == "http://default:3128")
    assert (proxy_of(every, "daemon") is not None) == (url is not None)
