"""The policy's rules for workloads where they meet: exact sums, and which of several is told. Cases are in tests/policy_cases.py."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.objects import spec

from dind_operator.features.policy.workload_rules import images, secrets, together


def asked(daemon: dict[str, Any], *limits: dict[str, Any]) -> Any:
    containers = [
        {"name": f"w{number}", "image": "i", "resources": {"limits": amounts}} for number, amounts in enumerate(limits)
    ]
    return spec({"daemon": {"resources": {"limits": daemon}}, "workloads": {"containers": containers}})


@pytest.mark.parametrize(("last", "refused"), [("0.3", False), ("300m", False), ("301m", True), ("300000001n", True)])
def test_the_sum_is_exact(last: str, refused: bool) -> None:
    """In binary fractions 0.1, 0.2 and 0.3 are more than 0.6."""
    found = list(together(asked({"cpu": "0.1"}, {"cpu": "0.2"}, {"cpu": last}), {"cpu": "0.6"}))
    assert [sentence.startswith("spec.workloads.containers and the daemon have limits.cpu") for sentence in found] == (
        [True] if refused else []
    )


def test_of_several_the_first_by_name_is_told() -> None:
    both = asked({"cpu": "1", "memory": "1Gi"}, {"cpu": "8"})
    (told,) = together(both, {"memory": "2Gi", "cpu": "2"})
    assert "limits.cpu above 2 together" in told
    (told,) = together(both, {"memory": "2Gi", "cpu": "20"})
    assert "w0 has no resources.limits.memory" in told


def test_what_workloads_cannot_ask_for_is_the_daemons_alone() -> None:
    assert list(together(asked({"example.com/gpu": "1"}, {}), {"example.com/gpu": "1"})) == []


def test_without_workloads_or_without_a_rule_there_is_nothing_to_say() -> None:
    assert list(together(spec({}), {"cpu": "1"})) == []
    assert list(images(None, ())) == []
    assert list(secrets(None, ())) == []
    assert list(images(asked({}, {}).workloads, None)) == []
    assert len(list(images(asked({}, {}).workloads, ()))) == 1
