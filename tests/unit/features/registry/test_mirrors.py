"""Which mirrors status shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import SETTINGS, running_pod

from dind_operator.features.registry import mirrors as registry


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, None),
        ({"registry": {"mirrors": ["https://m.example.com"]}}, ["https://m.example.com"]),
        ({"daemon": {"config": {"registry-mirrors": ["https://m.example.com"]}}}, ["https://m.example.com"]),
        # dockerd may take it; status must not have a password.
        ({"daemon": {"config": {"registry-mirrors": ["https://user:secret@m.example.com"]}}}, None),
        ({"daemon": {"config": {"registry-mirrors": []}}}, None),
    ],
)
def test_what_is_plainly_a_mirror_is_shown(fields: dict[str, Any], shown: list[str] | None) -> None:
    assert registry.mirrors(running_pod(fields)) == shown


def test_the_installations_are_shown() -> None:
    settings = replace(SETTINGS, default_registry_mirrors=("https://all.example.com",))
    assert registry.mirrors(running_pod({}, settings)) == ["https://all.example.com"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"daemonConfig": 1}', '{"daemonConfig": {"registry-mirrors": 1}}'),
        '{"daemonConfig": {"registry-mirrors": [1]}}',
    ],
)
def test_a_pod_of_anybodys_making(text: str) -> None:
    pod = running_pod({})
    for item in pod["spec"]["containers"][0]["env"]:
        if item["name"] == "DIND_NODE_CONFIG":
            item["value"] = text
    assert registry.mirrors(pod) is None
