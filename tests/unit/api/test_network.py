"""The nested networks: what a user may say, and what cannot be said twice."""

from typing import Any

import pytest
from pydantic import ValidationError
from tests.unit.objects import spec


@pytest.mark.parametrize(
    "network",
    [
        {"mtu": 576},
        {"mtu": 65535},
        {"bridgeAddress": "172.30.0.1/30"},
        {"addressPools": [{"base": "172.31.0.0/16", "size": 16}, {"base": "10.0.0.0/8", "size": 18}]},
        {"avoid": ["0.0.0.0/0", "::/0", "10.1.2.3/8", "fd00::1/128"]},
        {"dns": {"nameservers": ["169.254.20.10", "fd00::10"]}},
        {"dns": {"searches": ["a", "a.b.", "_tcp.example.com"]}},
        {"dns": {"options": [{"name": "ndots", "value": "0"}, {"name": "use-vc"}]}},
    ],
)
def test_what_may_be_said(network: dict[str, Any]) -> None:
    assert spec({"network": network}).network.to_dict().items() >= network.items()


@pytest.mark.parametrize(
    ("network", "told"),
    [
        ({"mtu": 575}, "greater than or equal to 576"),
        ({"mtu": "1400"}, "valid integer"),
        ({"bridgeAddress": "172.30.0.1"}, "must be an IPv4 address"),
        ({"bridgeAddress": "172.30.0.1/31"}, "must be an IPv4 address"),
        ({"bridgeAddress": "172.30.0.999/24"}, "must be an IPv4 address"),
        ({"addressPools": []}, "at least 1"),
        (
            {"addressPools": [{"base": "172.31.0.0/16", "size": 15}]},
            "addressPools.size must be the base's length or more",
        ),
        ({"addressPools": [{"base": "172.31.0.0/16", "size": 27}]}, "at most 10 more"),
        ({"addressPools": [{"base": "fd00::/8", "size": 16}]}, "must be an IPv4 range"),
        ({"avoid": ["10.0.0.0"]}, "in CIDR notation"),
        ({"avoid": ["10.0.0.0/33"]}, "10.0.0.0/33"),
        ({"avoid": ["10.0.0.0/8 own=bip"]}, "in CIDR notation"),
        ({"dns": {}}, "dns must not be empty"),
        ({"dns": {"nameservers": ["127.0.0.53"]}}, "a loopback or link-local address"),
        ({"dns": {"nameservers": ["fe80::1"]}}, "a loopback or link-local address"),
        ({"dns": {"nameservers": ["resolver"]}}, "must be an IP address"),
        ({"dns": {"searches": ["a b"]}}, "pattern"),
        ({"dns": {"options": [{"name": "ndots", "value": "x"}]}}, "pattern"),
        ({"firewallBackend": "nft"}, "'Auto', 'Nft' or 'Legacy'"),
        ({"ipv6": True}, "'Auto', 'Enabled' or 'Disabled'"),
    ],
)
def test_what_may_not(network: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match="(?s)" + told.replace("(", r"\(")):
        spec({"network": network})
