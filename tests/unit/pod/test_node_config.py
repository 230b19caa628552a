"""The contract with dind-node: every member, in the file that its tests read, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.unit.objects import SETTINGS, model

from dind_operator.api.conditions import Reason
from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.pod.errors import UnbuildableError
from dind_operator.pod.node_config import (
    MAX_BYTES,
    AuthorityConfig,
    Key,
    MirrorConfig,
    NetworkConfig,
    NodeConfig,
    ProxyConfig,
    RegistryConfig,
    StorageConfig,
    encoded,
)

GOLDEN = Path(__file__).parents[3] / "node/internal/config/testdata/full.json"
KEY = Key(kind="Secret", name="login", key=".dockerconfigjson")
FULL = NodeConfig(
    security_mode="UserNamespace",
    reserve_bytes=268435456,
    socket="/run/dind/docker.sock",
    daemon_config={"labels": ["a=<b> & c"], "features": {"x": None}, "mtu": 1400},
    storage=StorageConfig(driver="overlay2", host_directory="cache", owner="team-a/builder 1111-2222"),
    network=NetworkConfig(
        mtu=1400,
        bridge_address="172.30.0.1/24",
        address_pools=["172.31.0.0/16"],
        config_bridge_address="172.28.0.1/24",
        config_address_pools=["172.29.0.0/16"],
        decided=["dns"],
        ipv6="Enabled",
        avoid=["10.0.0.0/8"],
        cluster_cidrs=["10.96.0.0/12"],
        firewall_backend="Nft",
    ),
    registry=RegistryConfig(
        mirrors=[MirrorConfig(registry="ghcr.io", url="https://mirror.example.com/ghcr")],
        insecure=["r.example.com:5000"],
        authorities=[
            AuthorityConfig(registry="ghcr.io", source=Key(kind="ConfigMap", name="corporate-ca", key="ca.crt"))
        ],
        trust=Key(kind="ConfigMap", name="everything", key="ca.crt"),
        credentials=KEY,
    ),
    proxy=ProxyConfig(secret="proxy"),
    preload=["golang:1.24"],
    cli_directory="/run/dind-cli",
)


def absent(value: Any, name: str) -> list[str]:
    """The members without a value."""
    if value is None:
        return [name]
    if isinstance(value, list):
        return [each for item in value for each in absent(item, name)] or ([] if value else [name])
    if not isinstance(value, BaseModel):
        return []
    return [each for field in type(value).model_fields for each in absent(getattr(value, field), f"{name}.{field}")]


def test_the_file_that_dind_node_reads_in_its_tests_has_every_member() -> None:
    """To write it again: `python -m tests.unit.pod.test_node_config`."""
    assert absent(FULL, "config") == []
    assert GOLDEN.read_text() == encoded(FULL) + "\n"


def test_absent_members_are_left_out_and_a_null_of_the_users_stays() -> None:
    assert encoded(NodeConfig()) == "{}"
    assert encoded(NodeConfig(network=NetworkConfig(decided=[]))) == '{"network":{"decided":[]}}'
    assert encoded(NodeConfig(daemon_config={"b": None, "a": 1})) == '{"daemonConfig":{"a":1,"b":null}}'


def test_one_too_large_for_an_environment_variable_is_refused_with_both_sizes() -> None:
    with pytest.raises(UnbuildableError) as caught:
        daemon_pod(model({"daemon": {"config": {"labels": ["x" * MAX_BYTES]}}}), SETTINGS)
    assert caught.value.reason is Reason.INVALID_DAEMON_CONFIG
    assert str(MAX_BYTES) in caught.value.message
    assert "spec.daemon.config" in caught.value.message


def test_no_two_pods_of_one_spec_differ() -> None:
    one, other = ({"mtu": 1400, "bip": "172.30.0.1/24"}, {"bip": "172.30.0.1/24", "mtu": 1400})
    assert json.dumps(daemon_pod(model({"daemon": {"config": one}}), SETTINGS)["spec"]["initContainers"]) == json.dumps(
        daemon_pod(model({"daemon": {"config": other}}), SETTINGS)["spec"]["initContainers"]
    )


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(encoded(FULL) + "\n")
