"""A condition's time moves only when its status does."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from dind_operator.api.conditions import (
    ConditionStatus,
    ConditionType,
    Reason,
    find_condition,
    format_time,
    read_conditions,
    set_conditions,
)
from dind_operator.api.status import INITIAL_CONDITIONS, MESSAGE_MAX_LENGTH, Condition

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
Conditions = list[dict[str, Any]]
TRUE, FALSE, UNKNOWN = ConditionStatus


def ready(
    before: Conditions, status: ConditionStatus, reason: Reason, now: datetime = NOON, message: str = "m"
) -> Conditions:
    return set_conditions({"conditions": before}, {ConditionType.READY: (status, reason, message)}, 7, now)


def test_a_new_condition_carries_everything() -> None:
    assert ready([], FALSE, Reason.POD_PENDING) == [
        {
            "type": "Ready",
            "status": "False",
            "reason": "PodPending",
            "message": "m",
            "lastTransitionTime": "2026-01-02T12:00:00Z",
            "observedGeneration": 7,
        }
    ]


def test_the_time_stays_when_only_the_reason_changes() -> None:
    (condition,) = ready(ready([], FALSE, Reason.POD_PENDING), FALSE, Reason.DAEMON_STARTING, LATER)
    assert condition["reason"] == Reason.DAEMON_STARTING
    assert condition["lastTransitionTime"] == format_time(NOON)


@pytest.mark.parametrize("status", [TRUE, UNKNOWN])
def test_the_time_moves_with_the_status(status: ConditionStatus) -> None:
    (condition,) = ready(ready([], FALSE, Reason.POD_PENDING), status, Reason.READY, LATER)
    assert condition["lastTransitionTime"] == format_time(LATER)


def test_their_order_stays_new_ones_follow_and_others_go() -> None:
    wanted = {
        ConditionType.READY: (TRUE, Reason.READY, ""),
        ConditionType.UP_TO_DATE: (TRUE, Reason.UP_TO_DATE, ""),
        ConditionType.POD_SCHEDULED: (TRUE, Reason.SCHEDULED, ""),
    }
    first = {kind: wanted[kind] for kind in (ConditionType.POD_SCHEDULED, ConditionType.READY)}
    before = set_conditions({}, first | {ConditionType.DAEMON_READY: (UNKNOWN, Reason.PENDING, "")}, 1, NOON)
    kept = [dict(item) for item in before]
    after = set_conditions({"conditions": before}, wanted, 2, LATER)
    assert [condition["type"] for condition in after] == ["PodScheduled", "Ready", "UpToDate"]
    assert after[0] == before[0] | {"observedGeneration": 2}
    assert before == kept


def test_a_message_too_long_for_the_field_is_cut() -> None:
    (condition,) = ready([], FALSE, Reason.FORBIDDEN, message="x" * (MESSAGE_MAX_LENGTH + 1))
    assert len(condition["message"]) == MESSAGE_MAX_LENGTH
    assert condition["message"].endswith("…")


@pytest.mark.parametrize(
    "wrong", [{"type": "Ready"}, {"type": 3, "status": "True", "lastTransitionTime": "x"}, "text", None]
)
def test_what_is_no_condition_is_set_anew(wrong: Any) -> None:
    (condition,) = ready([wrong], TRUE, Reason.READY, LATER)
    assert condition["lastTransitionTime"] == format_time(LATER)


def test_what_is_no_condition_is_left_out() -> None:
    assert read_conditions({"conditions": [{"type": "Ready"}, *INITIAL_CONDITIONS]}) == [
        Condition.model_validate(INITIAL_CONDITIONS[0])
    ]
    assert read_conditions({}) == []


def test_finding() -> None:
    conditions = read_conditions({"conditions": ready([], TRUE, Reason.READY)})
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
