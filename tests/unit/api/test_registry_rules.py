"""dockerd's settings of registries are mutually exclusive. What the API server says is in the integration tests."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.spec import DindEnvironmentSpec

MIRRORS = {"mirrors": ["https://m.example.com"]}
INSECURE = {"insecureRegistries": ["r.example.com"]}


def parse(registry: dict[str, Any], **daemon: Any) -> DindEnvironmentSpec:
    return DindEnvironmentSpec.model_validate({"registry": registry, "daemon": daemon})


@pytest.mark.parametrize(
    ("registry", "daemon", "said"),
    [
        (MIRRORS, {"config": {"registry-mirrors": []}}, "registry.mirrors and daemon.config"),
        # Go reads a key in any case.
        (MIRRORS, {"config": {"Registry-Mirrors": ["https://n.example.com"]}}, "remove one of registry.mirrors"),
        (MIRRORS, {"args": ["--registry-mirror=https://n.example.com"]}, "keep registry.mirrors"),
        (INSECURE, {"config": {"insecure-registries": ["a"]}}, "registry.insecureRegistries"),
        (INSECURE, {"args": ["--debug", "--insecure-registry", "a"]}, "keep registry.insecureRegistries"),
    ],
)
def test_two_places_are_refused_and_one_is_not(registry: dict[str, Any], daemon: dict[str, Any], said: str) -> None:
    parse(registry)
    parse({}, **daemon)
    with pytest.raises(ValidationError, match=said):
        parse(registry, **daemon)


def test_the_other_setting_is_not_meant() -> None:
    parse(MIRRORS, config={"insecure-registries": ["a"]}, args=["--insecure-registry=b"])
