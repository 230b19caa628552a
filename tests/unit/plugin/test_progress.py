"""What an environment does, in words, and when it may be used."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.states import condition, environment

from dind_operator.api.condition_types import ConditionType
from dind_operator.plugin import progress as state
from dind_operator.plugin.errors import CliError, Exit

PLACED = {"nodeName": "n1"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (environment(), "waiting for the operator"),
        (environment(condition("Ready", "Unknown", "Pending")), "waiting for the operator"),
        (environment(condition("Ready", "False", "DaemonStarting"), status=PLACED), "the Docker daemon is starting (on n1)"),
        (environment(condition("Ready", "False", "PodPending"), status=PLACED), "the pod is waiting for a node or an image"),
        (environment(condition("Ready", "False", "Unschedulable", "No node: do this.")), "Unschedulable: No node: do this."),
        (environment(condition("Ready", "False", "Odd", "\x1b[2Jwiped")), "Odd: \\x1b[2Jwiped"),
        (environment(states.READY), "the Docker daemon is ready; its endpoint is being created"),
        (environment(states.READY, condition("EndpointReady", "False", "CredentialsPending", "Wait.")), "is not ready: Wait."),
        (environment(states.READY, spec={"endpoint": {"enabled": False}}), "ready"),
        (states.usable(), "ready"),
        (environment(states.READY, deletionTimestamp="2026-01-01T00:00:00Z"), "being deleted"),
    ],
)  # fmt: skip
def test_what_it_does_is_half_a_sentence(found: dict[str, Any], words: str) -> None:
    assert words in state.describe(found)
    assert "\x1b" not in state.describe(found)


def test_what_was_said_of_an_older_spec_counts_for_nothing() -> None:
    assert state.is_true(states.usable(), ConditionType.READY)
    assert not state.is_true(states.usable(generation=2), ConditionType.READY)


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        (environment(spec={"operatingMode": "Suspended"}), Exit.NOT_USABLE, "kubectl dind resume one"),
        (environment(status={"lifetime": {"expired": {"reason": "TTLExpired"}}}), Exit.NOT_USABLE, "kubectl dind extend one"),
        (environment(states.READY, spec={"endpoint": {"enabled": False}}), Exit.NOT_USABLE, "spec.endpoint.enabled is false"),
        (environment(states.READY, deletionTimestamp="2026-01-01T00:00:00Z"), Exit.NOT_USABLE, "being deleted"),
        (environment(states.READY), Exit.NOT_READY, "kubectl dind wait one --for endpoint"),
        (environment(states.ENDPOINT), Exit.NOT_READY, "waiting for the operator"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_says_why_and_what_to_do(found: dict[str, Any], code: Exit, words: str) -> None:
    with pytest.raises(CliError, match="one") as caught:
        state.check_endpoint(found)
    assert caught.value.code is code
    assert words in caught.value.message
    state.check_endpoint(states.usable())


def test_an_extension_counts_before_the_operator_has_acted_on_it() -> None:
    over = {"lifetime": {"expired": {"reason": "IdleTimeoutExceeded"}}}
    for until, expected in (("2100-01-01T00:00:00Z", False), ("2020-01-01T00:00:00Z", True), ("soon", True)):
        annotations = {"dind.dev/extend-until": until}
        assert state.expired(environment(status=over, annotations=annotations)) is expected, until


@pytest.mark.parametrize("reason", ["WorkloadsSucceeded", "WorkloadsFailed", "WorkloadsLost"])
def test_what_is_over_does_not_come_back_by_waiting(reason: str) -> None:
    over = environment(condition("Ready", "False", reason, "All workloads have ended."), states.ENDPOINT)
    for check in (state.check_not_completed, state.check_endpoint):
        with pytest.raises(
            CliError, match=r"one has completed: All workloads have ended\. Increase spec\.workloads\.run"
        ) as told:
            check(over)
        assert told.value.code is Exit.NOT_USABLE
    state.check_not_stopped(over)  # its log can still be read
    state.check_not_completed(states.usable())


def test_an_environment_that_was_suspended_or_has_expired_rests() -> None:
    assert state.is_stopped(environment(states.SUSPENDED))
    assert state.is_stopped(environment(condition("Ready", "False", "TTLExpired")))
    assert not state.is_stopped(environment(condition("Ready", "False", "Suspending")))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172800, "2d"), (10**7, "115d")],
)
def test_a_time_is_told_in_one_unit(seconds: float, text: str) -> None:
    assert state.format_duration(seconds) == text


def test_the_age_is_from_the_creation() -> None:
    created = (NOW - timedelta(minutes=5)).isoformat()
    assert state.age(environment(creationTimestamp=created), NOW) == "5m"
    assert state.age(environment(), NOW) == "?"
