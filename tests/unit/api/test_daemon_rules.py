"""What dockerd takes from one place is set in one: a field of `spec`, daemon.json, or an argument."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.objects import spec

from dind_operator.dockerd.config_keys import SETTINGS, by_field, deciding
from dind_operator.dockerd.flags import decided

_NETWORK: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
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
_REGISTRY: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    # Go reads a key in any case.
    ({"mirrors": ["https://m.example.com"]}, {"Registry-Mirrors": []}, ["--registry-mirror=https://n.example.com"]),
    ({"insecureRegistries": ["r.example.com"]}, {"insecure-registries": ["a"]}, ["-D", "--insecure-registry", "a"]),
]
TWICE = [({"network": network}, config, args) for network, config, args in _NETWORK]
TWICE += [({"registry": registry}, config, args) for registry, config, args in _REGISTRY]


@pytest.mark.parametrize(("fields", "config", "args"), TWICE)
def test_nothing_is_set_twice(fields: dict[str, Any], config: dict[str, Any], args: list[str]) -> None:
    for daemon in ({"config": config}, {"args": args}):
        with pytest.raises(
            ValidationError, match=r"is mutually exclusive with .* in daemon\.config and --.* in daemon\.args"
        ):
            spec({**fields, "daemon": daemon})
        # Either alone, and both where they say different things.
        spec({"daemon": daemon})
        spec({"network": {"avoid": ["10.0.0.0/8"]}, "registry": {"mirrors": []}, "daemon": daemon})
    spec(fields)


def test_another_setting_is_not_meant() -> None:
    spec(
        {
            "registry": {"mirrors": ["https://m.example.com"]},
            "daemon": {"config": {"insecure-registries": ["a"]}, "args": ["--insecure-registry=b"]},
        }
    )


def test_every_field_of_the_table_is_a_field_of_the_spec() -> None:
    for field in by_field():
        found: Any = spec()
        *above, name = field.split(".")
        for part in above:
            found = getattr(found, part) or type(found).model_fields[part].annotation.__args__[0]
        fields = found.model_fields if isinstance(found, type) else type(found).model_fields
        assert name in {known.alias or key for key, known in fields.items()}, field


def test_a_key_and_a_flag_are_in_the_table_once() -> None:
    keys = [setting.key for setting in SETTINGS if setting.key]
    flags = [flag for setting in SETTINGS for flag in setting.long_flags]
    assert len(keys) == len(set(keys))
    assert len(flags) == len(set(flags))


def test_every_key_of_a_network_field_is_known_as_the_users_own() -> None:
    known = {setting.key for settings in deciding().values() for setting in settings}
    keys = {
        setting.key for field, settings in by_field().items() if field.startswith("network.") for setting in settings
    }
    # Search domains, options and a proxy depend on nothing that is chosen in the pod.
    assert keys - known == {"dns-search", "dns-opts", "proxies"}


@pytest.mark.parametrize(
    ("config", "args", "words"),
    [
        ({"experimental": True}, [], ["experimental"]),
        ({}, ["--experimental"], ["experimental"]),
        ({}, ["--experimental=true"], ["experimental"]),
        ({}, ["-Db", "br0"], ["bip", "ipv6"]),
        ({"Default-Network-Opts": {}}, ["--mtu", "1400"], ["mtu", "opts"]),
    ],
)
def test_what_the_users_own_settings_decide(config: dict[str, Any], args: list[str], words: list[str]) -> None:
    assert sorted(decided(config, args)) == words
