"""Published ports: what is accepted, what is refused and with which words."""

from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.published import PublishedPortsSpec


def parse(*ports: dict[str, Any]) -> PublishedPortsSpec:
    return PublishedPortsSpec.model_validate({"ports": list(ports)})


def test_left_out_nobody_and_no_port_is_named() -> None:
    found = PublishedPortsSpec()
    assert (found.allow_from, found.ports) == ([], [])


@pytest.mark.parametrize(
    "port",
    [
        {"port": 1},
        {"port": 65535},
        {"port": 2375},
        {"port": 2377, "endPort": 65535},
        {"port": 1, "endPort": 2375},
        {"port": 2376, "protocol": "UDP"},
        {"port": 80, "endPort": 80},
    ],
)
def test_ports_that_can_be_opened(port: dict[str, Any]) -> None:
    assert parse(port).ports[0].to_dict() == {"protocol": "TCP", **port}


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ({"port": 0}, "greater than or equal to 1"),
        ({"port": 65536}, "less than or equal to 65535"),
        ({"port": "80"}, "valid integer"),
        ({"port": 80, "protocol": "tcp"}, "TCP"),
        ({"port": 81, "endPort": 80}, "lower end of the range"),
        ({"port": 2376}, "endpoint.allowFrom"),
        ({"port": 1, "endPort": 2376}, "endpoint.allowFrom"),
        ({"endPort": 80}, "Field required"),
    ],
)
def test_ports_that_cannot(port: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parse(port)


def test_one_entry_for_one_port() -> None:
    assert len(parse({"port": 53}, {"port": 53, "protocol": "UDP"}).ports) == 2
    with pytest.raises(ValidationError, match="remove one"):
        parse({"port": 53}, {"port": 53})
