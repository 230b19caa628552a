"""Registries in the pod."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import SETTINGS, model, node_config, spec

from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.registry import pod as registry

FULL: dict[str, Any] = {
    "registry": {
        "caBundles": [
            {"registry": "r.example.com:5000", "configMapRef": {"name": "corporate-ca"}},
            {"registry": "docker.io", "secretRef": {"name": "hub", "key": "tls.crt"}},
        ],
        "pullSecret": {"name": "login"},
    },
    "daemon": {"preload": ["golang:1.24", "base"]},
}
DEFAULTS = replace(SETTINGS, default_registry_mirrors=("https://all.example.com",))


def containers(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    pod = daemon_pod(model(fields), SETTINGS)["spec"]
    return pod, pod["initContainers"][0], pod["containers"][0]


def test_nothing_asked_for_is_nothing_in_the_pod() -> None:
    assert "dind-registry" not in json.dumps(daemon_pod(model({}), SETTINGS))
    assert registry.daemon_settings(spec({}), SETTINGS) == {}
    assert registry.node_config(spec({}), SETTINGS) == {}


def test_one_volume_has_what_is_referred_to_and_is_mounted_into_both_containers() -> None:
    pod, init, daemon = containers(FULL)
    (volume,) = (item for item in pod["volumes"] if item["name"] == "dind-registry")
    items = [{"key": "ca.crt", "path": "certs.d/r.example.com:5000/ca.crt"}]
    assert volume["projected"]["defaultMode"] == 0o400
    assert volume["projected"]["sources"] == [
        {"configMap": {"name": "corporate-ca", "items": items, "optional": True}},
        {
            "secret": {
                "name": "hub",
                "items": [{"key": "tls.crt", "path": "certs.d/docker.io/ca.crt"}],
                "optional": True,
            }
        },
        {
            "secret": {
                "name": "login",
                "items": [{"key": ".dockerconfigjson", "path": "auth/config.json"}],
                "optional": True,
            }
        },
    ]
    mount = {"name": "dind-registry", "mountPath": "/run/dind-registry", "readOnly": True}
    assert mount in init["volumeMounts"]
    assert mount in daemon["volumeMounts"]
    # The API server takes no mount with a colon in its path.
    assert not any(":" in item["mountPath"] for item in init["volumeMounts"] + daemon["volumeMounts"])


def test_dind_node_is_told_what_must_be_there() -> None:
    _, init, daemon = containers(FULL)
    for container in (init, daemon):
        told = node_config(container)["registry"]
        assert told["authorities"] == [
            {
                "registry": "r.example.com:5000",
                "source": {"kind": "ConfigMap", "name": "corporate-ca", "key": "ca.crt"},
            },
            {"registry": "docker.io", "source": {"kind": "Secret", "name": "hub", "key": "tls.crt"}},
        ]
        assert told["credentials"] == {"kind": "Secret", "name": "login", "key": ".dockerconfigjson"}
    assert node_config(daemon)["preload"] == ["golang:1.24", "base"]
    assert "preload" not in node_config(init)


def test_only_readiness_waits_for_images() -> None:
    _, _, daemon = containers(FULL)
    commands = {kind: daemon[f"{kind}Probe"]["exec"]["command"] for kind in ("startup", "readiness", "liveness")}
    assert commands["readiness"][-3:-1] == ["--after", registry.PRELOADED_FILE]
    assert "--wait" in commands["readiness"]
    _, _, plain = containers({})
    for kind in ("startup", "liveness"):
        assert commands[kind] == plain[f"{kind}Probe"]["exec"]["command"]
    assert "--after" not in plain["readinessProbe"]["exec"]["command"]


@pytest.mark.parametrize(
    ("fields", "mirrors"),
    [
        ({}, ["https://all.example.com"]),
        ({"registry": {"mirrors": ["https://own.example.com"]}}, ["https://own.example.com"]),
        (
            {"daemon": {"config": {"registry-mirrors": ["https://in-config.example.com"]}}},
            ["https://in-config.example.com"],
        ),
        ({"daemon": {"config": {"registry-mirrors": []}}}, []),
        ({"daemon": {"args": ["--registry-mirror=https://flag.example.com"]}}, None),
    ],
)
def test_the_default_is_for_those_that_say_nothing(fields: dict[str, Any], mirrors: list[str] | None) -> None:
    pod = daemon_pod(model(fields), DEFAULTS)["spec"]
    config = node_config(pod["containers"][0])["daemonConfig"]
    assert config.get("registry-mirrors") == mirrors


def test_insecure_registries_are_dockerds() -> None:
    fields = {"registry": {"insecureRegistries": ["10.0.0.5:5000"]}}
    assert registry.daemon_settings(spec(fields), SETTINGS) == {"insecure-registries": ["10.0.0.5:5000"]}


@pytest.mark.parametrize(
    ("fields", "key", "told"),
    [
        # What old builds need besides, the wrapper adds: only it knows the version.
        ({"registry": {"mirrors": ["http://m"]}}, None, None),
        ({"registry": {"mirrors": ["http://m"], "insecureRegistries": ["r"]}}, ["r"], ["r"]),
        (
            {"registry": {"insecureRegistries": ["r:5000", "10.0.0.0/8"]}},
            ["r:5000", "10.0.0.0/8"],
            ["r:5000", "10.0.0.0/8"],
        ),
        ({"daemon": {"config": {"insecure-registries": ["r", "*", "a b"]}}}, ["r", "*", "a b"], ["r"]),
        ({"daemon": {"args": ["--insecure-registry=r", "-D", "-insecure-registry", "s:1"]}}, None, ["r", "s:1"]),
        ({"daemon": {"args": ["--insecure-registry", "--insecure-registry="]}}, None, None),
    ],
)
def test_the_insecure_registries_are_dockerds_and_known_to_the_wrapper(
    fields: dict[str, Any], key: list[str] | None, told: list[str] | None
) -> None:
    _, _, daemon = containers(fields)
    config = node_config(daemon)
    assert config["daemonConfig"].get("insecure-registries") == key
    assert config.get("registry", {}).get("insecure") == told


def mirrors_of(container: dict[str, Any]) -> list[tuple[str, str]]:
    return [(item["registry"], item["url"]) for item in node_config(container)["registry"]["mirrors"]]


def test_dind_node_has_the_mirrors_of_every_registry() -> None:
    mirrors_for = [{"registry": "ghcr.io", "mirrors": ["https://m/ghcr", "http://n"]}]
    fields = {"registry": {"mirrors": ["http://m:5000"], "mirrorsFor": mirrors_for, "insecureRegistries": ["r"]}}
    _, _, daemon = containers(fields)
    assert mirrors_of(daemon) == [
        ("docker.io", "http://m:5000"),
        ("ghcr.io", "https://m/ghcr"),
        ("ghcr.io", "http://n"),
    ]
    assert node_config(daemon)["registry"]["insecure"] == ["r"]
    in_config = {"daemon": {"config": {"registry-mirrors": ["https://m", "https://user:password@m"]}}}
    assert mirrors_of(containers(in_config)[2]) == [("docker.io", "https://m")]
    default = daemon_pod(model({}), DEFAULTS)["spec"]["containers"][0]
    assert mirrors_of(default) == [("docker.io", "https://all.example.com")]


def test_the_environments_bundle_is_a_file_of_the_same_volume() -> None:
    pod, init, daemon = containers({"caBundle": {"secretRef": {"name": "all", "key": "tls.crt"}}})
    (volume,) = (item for item in pod["volumes"] if item["name"] == "dind-registry")
    items = [{"key": "tls.crt", "path": "trust/ca.crt"}]
    assert volume["projected"]["sources"] == [{"secret": {"name": "all", "items": items, "optional": True}}]
    for container in (init, daemon):
        assert node_config(container)["registry"]["trust"] == {"kind": "Secret", "name": "all", "key": "tls.crt"}
        assert {"name": "dind-registry", "mountPath": "/run/dind-registry", "readOnly": True} in container[
            "volumeMounts"
        ]
