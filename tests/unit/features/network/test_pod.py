"""What of the nested networks the operator writes itself, and what it tells the scripts in the pod."""

import json
from typing import Any

import pytest
from tests.unit.objects import SETTINGS, daemon_json, model, spec

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


def told(fields: dict[str, Any], settings: BuildSettings = SETTINGS) -> dict[str, str]:
    return network.variables(spec(fields), settings)


def words(fields: dict[str, Any], settings: BuildSettings = SETTINGS) -> list[str]:
    return told(fields, settings).get(network.NETWORK_VARIABLE, "").split()


def test_nothing_said_is_nothing_told() -> None:
    assert told({}) == {}
    assert network.daemon_settings(spec({})) == {}
    # Nor by settings that have nothing to do with networks.
    assert told({"daemon": {"config": {"debug": True, "log-opts": {"mtu": "1"}}, "args": ["--debug", "-Dsvfs"]}}) == {}


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
        "DIND_NETWORK": "mtu=1400 bip=172.30.0.1/24 pool=172.31.0.0/16 own=dns ipv6=on avoid=10.0.0.0/8 avoid=fd00::/8",
        "DIND_FIREWALL_BACKEND": "Nft",
    }


@pytest.mark.parametrize(
    ("daemon", "expected"),
    [
        ({"config": {"mtu": 1400}}, ["own=mtu"]),
        ({"config": {"MTU": 1400}}, ["own=mtu"]),
        ({"args": ["--mtu=1400"]}, ["own=mtu"]),
        ({"args": ["--mtu", "1400"]}, ["own=mtu"]),
        ({"config": {"bip": "172.30.0.1/24"}}, ["own=bip", "config-bip=172.30.0.1/24"]),
        ({"config": {"bip": "what"}}, ["own=bip"]),
        ({"config": {"Bip": 7}}, ["own=bip"]),
        ({"args": ["--bip=172.30.0.1/24"]}, ["own=bip"]),
        ({"config": {"bridge": "none"}}, ["own=bip", "own=ipv6"]),
        ({"args": ["-b", "none"]}, ["own=bip", "own=ipv6"]),
        ({"args": ["-Dbnone"]}, ["own=bip", "own=ipv6"]),
        ({"config": {"fixed-cidr": "172.17.1.0/24"}}, ["own=bip"]),
        (
            {
                "config": {
                    "default-address-pools": [{"base": "172.31.0.0/16", "size": 24}, {"base": 7}, {"base": "a b"}]
                }
            },
            ["own=pools", "config-pool=172.31.0.0/16"],
        ),
        ({"args": ["--default-address-pool=base=172.31.0.0/16,size=24"]}, ["own=pools"]),
        ({"config": {"default-network-opts": {}}}, ["own=opts"]),
        ({"args": ["--default-network-opt=bridge=a=b"]}, ["own=opts"]),
        ({"config": {"dns": []}}, ["own=dns"]),
        ({"args": ["--dns=10.0.0.1"]}, ["own=dns"]),
        ({"config": {"ip6tables": False}}, ["own=ipv6"]),
        ({"config": {"iptables": False}}, ["own=ipv6"]),
        ({"args": ["--ipv6"]}, ["own=ipv6"]),
    ],
)
def test_the_users_own_settings_of_dockerd_are_theirs(daemon: dict[str, Any], expected: list[str]) -> None:
    assert words({"daemon": daemon}) == expected


def test_the_installations_ranges_are_told_last() -> None:
    settings = BuildSettings(daemon_image="d", node_tool_image="n", cluster_cidrs=("10.96.0.0/12", "fd00::/48"))
    assert words({"network": {"avoid": ["10.0.0.0/8"]}}, settings) == [
        *("avoid=10.0.0.0/8", "cluster=10.96.0.0/12", "cluster=fd00::/48")
    ]


@pytest.mark.parametrize(("value", "word"), [("Disabled", ["ipv6=off"]), ("Enabled", ["ipv6=on"]), ("Auto", [])])
def test_ipv6(value: str, word: list[str]) -> None:
    assert words({"network": {"ipv6": value}}) == word


def test_both_containers_are_told_the_same_and_know_the_nodes_address() -> None:
    pod = daemon_pod(model({"network": WHOLE}), SETTINGS)["spec"]
    for container in (pod["initContainers"][0], pod["containers"][0]):
        env = {item["name"]: item for item in container["env"]}
        assert env["DIND_NETWORK"]["value"] == told({"network": WHOLE})["DIND_NETWORK"]
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
