"""A condition's time moves only when its status does."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dind_operator.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    format_time,
    read_conditions,
    set_condition,
)
from dind_operator.api.status import INITIAL_CONDITIONS, MESSAGE_MAX_LENGTH

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)


def ready(
    before: list[Condition], status: bool | None, reason: Reason, now: datetime = NOON, message: str = "m"
) -> list[Condition]:
    return set_condition(before, ConditionType.READY, status, reason, message, 7, now)


def test_a_new_condition_carries_everything() -> None:
    (condition,) = ready([], False, Reason.POD_PENDING)
    assert condition.to_dict() == {
        "type": "Ready",
        "status": "False",
        "reason": "PodPending",
        "message": "m",
        "lastTransitionTime": "2026-01-02T12:00:00Z",
        "observedGeneration": 7,
    }


def test_the_time_stays_when_only_the_reason_changes() -> None:
    (condition,) = ready(ready([], False, Reason.POD_PENDING), False, Reason.DAEMON_STARTING, LATER)
    assert condition.reason == Reason.DAEMON_STARTING
    assert condition.last_transition_time == format_time(NOON)


@pytest.mark.parametrize("status", [True, None])
def test_the_time_moves_with_the_status(status: bool | None) -> None:
    (condition,) = ready(ready([], False, Reason.POD_PENDING), status, Reason.READY, LATER)
    assert condition.last_transition_time == format_time(LATER)


def test_the_others_and_their_order_stay() -> None:
    before = set_condition([], ConditionType.POD_SCHEDULED, True, Reason.SCHEDULED, "", 1, NOON)
    before = ready(before, False, Reason.POD_PENDING)
    before = set_condition(before, ConditionType.UP_TO_DATE, True, Reason.UP_TO_DATE, "", 1, NOON)
    after = ready(before, True, Reason.READY, LATER)
    assert [condition.type for condition in after] == ["PodScheduled", "Ready", "UpToDate"]
    assert (after[0], after[2]) == (before[0], before[2])
    assert before[1].status is ConditionStatus.FALSE


def test_a_message_too_long_for_the_field_is_cut() -> None:
    (condition,) = ready([], False, Reason.FORBIDDEN, message="x" * (MESSAGE_MAX_LENGTH + 1))
    assert len(condition.message) == MESSAGE_MAX_LENGTH
    assert condition.message.endswith("…")


def test_what_is_no_condition_is_left_out() -> None:
    assert read_conditions({"conditions": [{"type": "Ready"}, *INITIAL_CONDITIONS]}) == [
        Condition.model_validate(INITIAL_CONDITIONS[0])
    ]
    assert read_conditions({}) == []


def test_finding() -> None:
    conditions = ready([], True, Reason.READY)
    assert find_condition(conditions, "Ready") == conditions[0]
    assert find_condition(conditions, ConditionType.UP_TO_DATE) is None


def test_times_are_written_in_utc() -> None:
    assert format_time(datetime(2026, 1, 2, 14, tzinfo=timezone(timedelta(hours=2)))) == "2026-01-02T12:00:00Z"


@pytest.mark.parametrize("word", [*ConditionType, *Reason])
def test_every_word_is_documented_and_fits_its_field(word: ConditionType | Reason) -> None:
    assert word.meaning.endswith(".")
    assert not word.remedy or word.remedy.endswith((".", ".`"))
    Condition(
        type="Ready", status=ConditionStatus.TRUE, reason=word, message="", last_transition_time=format_time(NOON)
    )


def test_reasons_of_trouble_say_what_to_do() -> None:
    fine = {
        *("Ready", "Suspending", "Terminating", "PodPending", "Initializing", "DaemonStarting", "NotChecked"),
        *("Scheduled", "CgroupsMounted", "StorageHealthy", "IsolationVerified", "PodDisruptionBudgetReady", "UpToDate"),
        *("EndpointReady", "EndpointDisabled", "ActivityKnown", "NetworkReady", "WorkloadsPending", "WorkloadsRunning"),
        *("ImagesPreloaded", "PreloadingImages"),
    }
    assert {reason for reason in Reason if not reason.remedy} == fine
