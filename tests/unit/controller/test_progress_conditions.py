"""What generic tools read from a status: kstatus's rules for resources that it does not know, written from its documentation."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.objects import POLICY, environment, failed_pod, observed, pod, running_pod

from dind_operator.controller.decide import make_plan
from dind_operator.features.policy.rules import PolicyRules
from dind_operator.state.observed import Observed, Policy


def kstatus(status: dict[str, Any] | None, generation: int = 1) -> str:
    assert status is not None
    if status["observedGeneration"] != generation:
        return "InProgress"
    found = {item["type"]: item["status"] for item in status["conditions"]}
    if found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "Current" if found["Ready"] == "True" else "InProgress"


FORBIDDEN = Policy(build=POLICY.build, policy_rules=PolicyRules.model_validate({"modes": ["UserNamespace"]}))


@pytest.mark.parametrize(
    ("seen", "policy", "expected"),
    [
        (observed(), POLICY, "InProgress"),
        (observed(pod=pod()), POLICY, "InProgress"),
        (observed(pod=running_pod()), POLICY, "Current"),
        (observed(pod=failed_pod("Evicted")), POLICY, "InProgress"),
        (observed(environment({"unknown": "field"})), POLICY, "Failed"),
        (observed(environment({"unknown": "field"}), running_pod()), POLICY, "Failed"),
        (observed(), FORBIDDEN, "Failed"),
        (observed(pod=running_pod()), FORBIDDEN, "Failed"),
    ],
    ids=["new", "pending", "running", "replaced", "invalid", "invalid, runs on", "forbidden", "forbidden, runs on"],
)
def test_tools_that_wait_see_progress_success_and_refusal(seen: Observed, policy: Policy, expected: str) -> None:
    assert kstatus(make_plan(seen, policy).status) == expected


def test_they_are_there_only_while_they_are_true() -> None:
    for seen in (observed(), observed(pod=running_pod()), observed(environment({"unknown": "field"}))):
        status = make_plan(seen, POLICY).status
        assert status is not None
        for item in status["conditions"]:
            if item["type"] in ("Reconciling", "Stalled", "Finished"):
                assert item["status"] == "True"
                assert item["message"]
    running = make_plan(observed(pod=running_pod()), POLICY).status
    assert running is not None
    assert not {"Reconciling", "Stalled", "Finished"} & {item["type"] for item in running["conditions"]}
