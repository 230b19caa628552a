"""The two kinds of not being ready."""

from dind_operator.api.conditions import Reason
from dind_operator.api.status import ConditionStatus, Phase
from dind_operator.state.assessment import Condition, blocked, waiting


def test_waiting_is_no_trouble() -> None:
    assessment = waiting(Phase.STARTING, Reason.DAEMON_STARTING, "soon")
    assert (assessment.phase, assessment.warning) == (Phase.STARTING, False)
    assert assessment.ready == Condition(ConditionStatus.FALSE, Reason.DAEMON_STARTING, "soon")


def test_blocked_is_a_failure_that_a_person_should_hear_of() -> None:
    assessment = blocked(Reason.POD_CONFLICT, "there")
    assert (assessment.phase, assessment.warning) == (Phase.FAILED, True)
    assert assessment.ready.status is ConditionStatus.FALSE


def test_parts_say_what_they_are() -> None:
    states = [
        Condition.true(Reason.READY, "").status,
        Condition.false(Reason.READY, "").status,
        Condition.unknown(Reason.READY, "").status,
    ]
    assert states == [ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN]
