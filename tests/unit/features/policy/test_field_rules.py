"""Fields that stand for keys of daemon.json, and registries' Secrets. More cases are in tests/policy_cases.py."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.objects import environment

from dind_operator.api.environment import DindEnvironment
from dind_operator.api.spec import DindEnvironmentSpec
from dind_operator.features.policy.field_rules import KEYS, keys, secrets

SET: dict[str, Any] = {
    "addressPools": [{"base": "172.31.0.0/16", "size": 24}],
    "bridgeAddress": "172.30.0.1/24",
    "ipv6": "Enabled",
    "mtu": 1400,
    "mirrorsFor": [{"registry": "ghcr.io", "mirrors": ["https://m"]}],
    "proxy": {"httpProxy": "http://p:3128"},
}
DNS: dict[str, Any] = {"nameservers": ["10.0.0.1"], "searches": ["a"], "options": [{"name": "rotate"}]}


def spec(fields: dict[str, Any]) -> DindEnvironmentSpec:
    return DindEnvironment.from_dict(environment(fields)).spec


def test_every_field_that_doubles_a_key_is_judged() -> None:
    assert list(KEYS) == sorted(KEYS), "the chart's map is in this order"


@pytest.mark.parametrize("field", KEYS)
def test_a_field_is_allowed_with_its_key_and_refused_without(field: str) -> None:
    part, _, name = field.partition(".")
    group, _, inner = name.partition(".")
    value = (
        {"dns": {inner: DNS.get(inner)}}.get(group)
        or SET.get(group)
        or ["https://m" if name == "mirrors" else "r:5000"]
    )
    asked = spec({part: {group: value}})
    assert list(keys(asked, (KEYS[field],))) == []
    (sentence,) = keys(asked, ("debug",))
    assert sentence.startswith(f"The field spec.{field} ({KEYS[field]} in daemon.json) is not allowed")
    assert "policy.rules.daemonConfig" in sentence
    assert list(keys(asked, None)) == [], "without the rule"


def test_what_is_not_set_is_no_field() -> None:
    assert list(keys(spec({}), ())) == []
    assert list(keys(spec({"network": {"ipv6": "Auto"}, "registry": {"mirrors": []}}), ())) == []


def test_the_first_secret_that_is_not_allowed_is_told() -> None:
    registry = spec(
        {
            "registry": {
                "pullSecret": {"name": "ci-login"},
                "caBundles": [{"registry": "r", "secretRef": {"name": "other"}}],
            }
        }
    ).registry
    (sentence,) = secrets(registry, ("ci-*",))
    assert sentence.startswith("spec.registry Secret other is not allowed")
    assert list(secrets(registry, ("ci-*", "other"))) == []
    assert list(secrets(registry, None)) == []
