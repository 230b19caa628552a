"""The condition ActivityKnown."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import POD_UID, environment, observed, running_pod

from dind_operator.api.conditions import ConditionStatus, Reason
from dind_operator.features.lifetime import condition as activity
from dind_operator.state.assessment import Condition
from dind_operator.state.node_reports import ActivityReport

IDLE = {"lifetime": {"idleTimeout": "30m"}}


def told_before(reason: str, *, restarts: int = 0, uid: str = POD_UID) -> dict[str, Any]:
    item = {"type": "ActivityKnown", "status": "True", "reason": reason, "message": "m"}
    item["lastTransitionTime"] = "2025-06-01T11:59:00Z"
    return environment(IDLE) | {"status": {"podUID": uid, "restarts": restarts, "conditions": [item]}}


def condition(env: dict[str, Any], told: ActivityReport | None = None, *, reads_logs: bool = True) -> Condition:
    found = activity.condition(replace(observed(env, running_pod(IDLE)), activity=told, reads_logs=reads_logs))
    assert found is not None
    return found


@pytest.mark.parametrize("fields", [{}, {"lifetime": {"ttl": "8h"}}])
def test_without_an_idle_timeout_there_is_none(fields: dict[str, Any]) -> None:
    assert not activity.enabled(environment(fields))
    assert activity.condition(observed(environment(fields), running_pod())) is None


def test_what_is_told_is_known() -> None:
    found = condition(environment(IDLE), ActivityReport(idle=True, idleSeconds=60))
    assert (found.status, found.reason) == (ConditionStatus.TRUE, Reason.ACTIVITY_KNOWN)


def test_a_helper_that_cannot_see_is_told_with_the_remedy() -> None:
    found = condition(environment(IDLE), ActivityReport(idle=False, seen=False))
    assert (found.status, found.reason) == (ConditionStatus.FALSE, Reason.ACTIVITY_UNAVAILABLE)
    assert "Delete the pod" in found.message


def test_logs_that_are_not_read_are_told_with_the_remedy_whatever_was_known() -> None:
    found = condition(told_before("ActivityKnown"), reads_logs=False)
    assert (found.status, found.reason) == (ConditionStatus.FALSE, Reason.POD_LOG_ACCESS_DISABLED)
    assert "readPodLogs" in found.message


@pytest.mark.parametrize("reason", ["ActivityKnown", "ActivityUnavailable"])
def test_between_two_looks_it_stands(reason: str) -> None:
    assert condition(told_before(reason)).reason == reason


@pytest.mark.parametrize("other", [{"restarts": 1}, {"uid": "another"}])
def test_of_another_start_nothing_is_known(other: dict[str, Any]) -> None:
    found = condition(told_before("ActivityKnown", **other))
    assert (found.status, found.reason) == (ConditionStatus.UNKNOWN, Reason.NOT_CHECKED)
