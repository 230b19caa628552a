"""One setting, one place: `spec.network` or dockerd's own words for the same."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.objects import spec

from dind_operator.api.network_rules import DECLARED, DOUBLED, OWNING, owned_words

TWICE: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"mtu": 1400}, {"mtu": 1400}, ["--mtu=1400"]),
    ({"bridgeAddress": "172.30.0.1/24"}, {"BIP": "172.30.0.1/24"}, ["--bip", "172.30.0.1/24"]),
    ({"bridgeAddress": "172.30.0.1/24"}, {"bridge": "none"}, ["--bridge=none"]),
    (
        {"addressPools": [{"base": "172.31.0.0/16", "size": 24}]},
        {"default-address-pools": []},
        ["--default-address-pool=base=172.31.0.0/16,size=24"],
    ),
    ({"dns": {"nameservers": ["10.0.0.1"]}}, {"dns": ["10.0.0.1"]}, ["--dns=10.0.0.1"]),
    ({"dns": {"searches": ["a"]}}, {"dns-search": ["a"]}, ["--dns-search=a"]),
    ({"dns": {"options": [{"name": "rotate"}]}}, {"dns-opts": ["rotate"]}, ["--dns-opt=rotate"]),
    ({"ipv6": "Disabled"}, {"ipv6": True}, ["--ipv6"]),
    ({"ipv6": "Enabled"}, {"ip6tables": False}, ["--ip6tables=false"]),
]


@pytest.mark.parametrize(("network", "config", "args"), TWICE)
def test_nothing_is_set_twice(network: dict[str, Any], config: dict[str, Any], args: list[str]) -> None:
    for daemon in ({"config": config}, {"args": args}):
        with pytest.raises(
            ValidationError, match=r"must be set only once: remove .* from daemon\.config and daemon\.args"
        ):
            spec({"network": network, "daemon": daemon})
        # Either alone, and both where they say different things.
        spec({"daemon": daemon})
        spec({"network": {"avoid": ["10.0.0.0/8"]}, "daemon": daemon})
    spec({"network": network})


def test_every_key_that_a_rule_names_can_be_seen_by_it() -> None:
    assert {key for doubled in DOUBLED for key in doubled.keys} == set(DECLARED)


def test_every_key_of_a_field_is_known_as_the_users_own() -> None:
    known = {key for keys in OWNING.values() for key in keys}
    # Search domains and options depend on nothing that is chosen in the pod.
    assert set(DECLARED) - known == {"dns-search", "dns-opts"}


@pytest.mark.parametrize(
    ("config", "args"), [({"experimental": True}, []), ({}, ["--experimental"]), ({}, ["--experimental=true"])]
)
def test_the_users_own_experimental_features_are_not_said_again_for_ipv6(
    config: dict[str, Any], args: list[str]
) -> None:
    assert owned_words(config, args) == ["experimental"]
