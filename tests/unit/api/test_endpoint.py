"""Names and peers of the endpoint: what is accepted, what is refused and with which words."""

from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.endpoint import EndpointSpec


def parse(**fields: Any) -> EndpointSpec:
    return EndpointSpec.model_validate(fields)


def test_left_out_it_is_on_and_open_to_nobody() -> None:
    found = parse()
    assert (found.enabled, found.credentials_generation, found.extra_names, found.allow_from) == (True, 1, [], [])


@pytest.mark.parametrize(
    "name", ["a", "builder.example.com", "*.example.com", "192.0.2.10", "255.255.255.255", "fd00::1", "::1", "x-1.b2"]
)
def test_names_that_a_certificate_can_hold(name: str) -> None:
    assert parse(extraNames=[name]).extra_names == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("", "A.example.com", "a..b", "-a", "a-", "a.example.com:2376", "tcp://a", "a b", "256.0.0.1", "1.2.3", "*"),
        *("a.*.b", "a\n", "1:2:3", ":::", f"{'a' * 64}.com", "a" * 254),
    ],
)
def test_names_that_it_cannot(name: str) -> None:
    with pytest.raises(ValidationError):
        parse(extraNames=[name])


@pytest.mark.parametrize("enabled", ["true", 1, None])
def test_only_a_truth_value_turns_it_on(enabled: object) -> None:
    with pytest.raises(ValidationError):
        parse(enabled=enabled)


@pytest.mark.parametrize("generation", [0, -1, 2**31, "2", True])
def test_the_generation_is_a_whole_number_from_one_on(generation: object) -> None:
    with pytest.raises(ValidationError):
        parse(credentialsGeneration=generation)


@pytest.mark.parametrize(
    "peer",
    [
        {"podSelector": {}},
        {"namespaceSelector": {"matchLabels": {"team": "a"}}},
        {"podSelector": {"matchLabels": {"app": "ci"}}, "namespaceSelector": {}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
        {"ipBlock": {"cidr": "fd00::/8"}},
        {"ipBlock": {"cidr": "0.0.0.0/0"}},
    ],
)
def test_peers_have_the_shape_of_a_network_policys(peer: dict[str, Any]) -> None:
    (found,) = parse(allowFrom=[peer]).allow_from
    assert found.to_dict() == peer


@pytest.mark.parametrize(
    ("peer", "words"),
    [
        ({}, "must select somebody: set podSelector"),
        ({"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}, "ipBlock must be the only field"),
        ({"ipBlock": {"cidr": "10.0.0.0"}}, "cidr"),
        ({"ipBlock": {"cidr": "10.0.0.0/33"}}, "cidr"),
        ({"ipBlock": {"cidr": ":::/8"}}, "write it as 10.0.0.0/8"),
        ({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["nowhere"]}}, "except"),
    ],
)
def test_peers_that_mean_nothing_are_refused_with_a_remedy(peer: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parse(allowFrom=[peer])


def test_the_lists_are_bounded() -> None:
    with pytest.raises(ValidationError):
        parse(extraNames=[f"a{number}" for number in range(33)])
    with pytest.raises(ValidationError):
        parse(allowFrom=[{"podSelector": {}}] * 17)
