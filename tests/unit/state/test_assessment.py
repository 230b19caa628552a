"""The two kinds of not being ready."""

from dind_operator.api.conditions import Reason
from dind_operator.api.status import ConditionStatus, Phase
from dind_operator.state.assessment import Part, blocked, waiting


def test_waiting_is_no_trouble() -> None:
    verdict = waiting(Phase.STARTING, Reason.DAEMON_STARTING, "soon")
    assert (verdict.phase, verdict.trouble) == (Phase.STARTING, False)
    assert verdict.ready == Part(ConditionStatus.FALSE, Reason.DAEMON_STARTING, "soon")


def test_blocked_is_a_failure_that_a_person_should_hear_of() -> None:
    verdict = blocked(Reason.POD_CONFLICT, "there")
    assert (verdict.phase, verdict.trouble) == (Phase.FAILED, True)
    assert verdict.ready.status is ConditionStatus.FALSE


def test_parts_say_what_they_are() -> None:
    states = [
        Part.true(Reason.READY, "").status,
        Part.false(Reason.READY, "").status,
        Part.unknown(Reason.READY, "").status,
    ]
    assert states == [ConditionStatus.TRUE, ConditionStatus.FALSE, ConditionStatus.UNKNOWN]
