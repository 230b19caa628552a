"""What of the nested networks the operator writes itself, and what it tells dind-node."""

import json
from typing import Any

import pytest
from tests.unit.objects import SETTINGS, daemon_json, model, node_config, spec

from dind_operator.controller.pod_manifest import daemon_pod
from dind_operator.features.network import pod as network
from dind_operator.pod.defaults import BuildSettings

WHOLE: dict[str, Any] = {
    "mtu": 1400,
    "bridgeAddress": "172.30.0.1/24",
    "addressPools": [{"base": "172.31.0.0/16", "size": 24}],
    "avoid": ["10.0.0.0/8", "fd00::/8"],
    "dns": {
        "nameservers": ["10.96.0.10"],
        "searches": ["example.com"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "rotate"}],
    },
    "firewallBackend": "Nft",
    "ipv6": "Enabled",
}


def told(fields: dict[str, Any], settings: BuildSettings = SETTINGS) -> dict[str, Any]:
    """What is set of the configuration, beside `decided`."""
    return network.network_config(spec(fields), settings).to_dict()


def test_nothing_said_is_nothing_told() -> None:
    assert told({}) == {"decided": []}
    assert network.daemon_settings(spec({})) == {}
    # Nor by settings that have nothing to do with networks.
    daemon = {"config": {"debug": True, "log-opts": {"mtu": "1"}}, "args": ["--debug", "-Dsvfs"]}
    assert told({"daemon": daemon}) == {"decided": []}


def test_what_is_said_goes_into_daemon_json_and_is_told_to_be_checked() -> None:
    config = json.loads(daemon_json({"network": WHOLE}))
    assert {key: config[key] for key in network.daemon_settings(spec({"network": WHOLE}))} == {
        "mtu": 1400,
        "bip": "172.30.0.1/24",
        "default-address-pools": [{"base": "172.31.0.0/16", "size": 24}],
        "dns": ["10.96.0.10"],
        "dns-search": ["example.com"],
        "dns-opts": ["ndots:2", "rotate"],
    }
    assert told({"network": WHOLE}) == {
        "mtu": 1400,
        "bridgeAddress": "172.30.0.1/24",
        "addressPools": ["172.31.0.0/16"],
        "decided": ["dns"],
        "ipv6": "Enabled",
        "avoid": ["10.0.0.0/8", "fd00::/8"],
        "firewallBackend": "Nft",
    }


@pytest.mark.parametrize(
    ("daemon", "decided", "ranges"),
    [
        ({"config": {"mtu": 1400}}, ["mtu"], {}),
        ({"config": {"MTU": 1400}}, ["mtu"], {}),
        ({"args": ["--mtu=1400"]}, ["mtu"], {}),
        ({"args": ["--mtu", "1400"]}, ["mtu"], {}),
        ({"config": {"bip": "172.30.0.1/24"}}, ["bip"], {"configBridgeAddress": "172.30.0.1/24"}),
        ({"config": {"bip": "what"}}, ["bip"], {}),
        ({"config": {"Bip": 7}}, ["bip"], {}),
        ({"args": ["--bip=172.30.0.1/24"]}, ["bip"], {}),
        ({"config": {"bridge": "none"}}, ["bip", "ipv6"], {}),
        ({"args": ["-b", "none"]}, ["bip", "ipv6"], {}),
        ({"args": ["-Dbnone"]}, ["bip", "ipv6"], {}),
        ({"config": {"fixed-cidr": "172.17.1.0/24"}}, ["bip"], {}),
        (
            {
                "config": {
                    "default-address-pools": [{"base": "172.31.0.0/16", "size": 24}, {"base": 7}, {"base": "a b"}]
                }
            },
            ["pools"],
            {"configAddressPools": ["172.31.0.0/16"]},
        ),
        ({"args": ["--default-address-pool=base=172.31.0.0/16,size=24"]}, ["pools"], {}),
        ({"config": {"default-network-opts": {}}}, ["opts"], {}),
        ({"args": ["--default-network-opt=bridge=a=b"]}, ["opts"], {}),
        ({"config": {"dns": []}}, ["dns"], {}),
        ({"args": ["--dns=10.0.0.1"]}, ["dns"], {}),
        ({"config": {"ip6tables": False}}, ["ipv6"], {}),
        ({"config": {"iptables": False}}, ["ipv6"], {}),
        ({"args": ["--ipv6"]}, ["ipv6"], {}),
    ],
)
def test_the_users_own_settings_of_dockerd_are_theirs(
    daemon: dict[str, Any], decided: list[str], ranges: dict[str, Any]
) -> None:
    assert told({"daemon": daemon}) == {"decided": decided, **ranges}


def test_the_installations_ranges_are_told() -> None:
    settings = BuildSettings(daemon_image="d", node_tool_image="n", cluster_cidrs=("10.96.0.0/12", "fd00::/48"))
    found = told({"network": {"avoid": ["10.0.0.0/8"]}}, settings)
    assert (found["avoid"], found["clusterCidrs"]) == (["10.0.0.0/8"], ["10.96.0.0/12", "fd00::/48"])


@pytest.mark.parametrize("value", ["Disabled", "Enabled", "Auto"])
def test_ipv6(value: str) -> None:
    assert told({"network": {"ipv6": value}}).get("ipv6") == (None if value == "Auto" else value)


def test_both_containers_are_told_the_same_and_know_the_nodes_address() -> None:
    pod = daemon_pod(model({"network": WHOLE}), SETTINGS)["spec"]
    for container in (pod["initContainers"][0], pod["containers"][0]):
        env = {item["name"]: item for item in container["env"]}
        assert node_config(container)["network"] == told({"network": WHOLE})
        assert env["DIND_NODE_ADDRESS"]["valueFrom"] == {"fieldRef": {"fieldPath": "status.hostIP"}}


def test_how_the_pod_resolves_names_is_the_users_and_by_default_the_clusters() -> None:
    given: dict[str, Any] = {
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.53"], "options": [{"name": "ndots", "value": "1"}]},
    }
    pod = daemon_pod(model({"network": given}), SETTINGS)["spec"]
    assert {key: pod[key] for key in given} == given
    defaults = {"hostAliases": [], "dnsPolicy": "ClusterFirst", "dnsConfig": {}}
    plain = daemon_pod(model({"network": defaults}), SETTINGS)["spec"]
    assert not plain.keys() & given.keys()
