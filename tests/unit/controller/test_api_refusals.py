"""A refused pod becomes a condition, and nothing is tried in a loop."""

from tests.unit.objects import condition, environment, observed

from dind_operator.api.conditions import Reason
from dind_operator.controller.actions import Plan
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.controller.api_refusals import refused


def test_the_condition_carries_the_reason_and_the_servers_sentence() -> None:
    found = refused(observed(), Plan(), ClusterError(ErrorClass.REFUSED, "exceeded quota", Reason.QUOTA_EXCEEDED))
    ready = condition(found.status, "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "QuotaExceeded", "exceeded quota")
    assert [event.warning for event in found.events] == [True]


def test_nothing_is_tried_again_by_time_alone() -> None:
    found = refused(observed(), Plan(), ClusterError(ErrorClass.INVALID, "no", Reason.INVALID_POD))
    assert (found.actions, found.requeue_after) == ((), None)


def test_a_refusal_without_a_word_of_its_own_is_an_admission_rule() -> None:
    found = refused(observed(), Plan(), ClusterError(ErrorClass.REFUSED, "no"))
    assert condition(found.status, "Ready")["reason"] == "AdmissionDenied"


def test_what_the_plan_says_of_a_failed_pod_is_not_forgotten() -> None:
    plan = Plan(status={"recreateAfter": "2025-06-01T12:00:01Z"})
    found = refused(observed(), plan, ClusterError(ErrorClass.REFUSED, "no", Reason.FORBIDDEN))
    assert found.status is not None
    assert found.status["recreateAfter"] == "2025-06-01T12:00:01Z"


def test_what_fails_again_and_again_is_told_in_its_first_words() -> None:
    def fails(words: str) -> ClusterError:
        return ClusterError(ErrorClass.RETRY, words, Reason.API_CALL_FAILED, code=500)

    first = refused(observed(), Plan(), fails("read tcp 10.0.0.1:40001"))
    assert first.status is not None
    assert (first.status["phase"], condition(first.status, "Ready")["status"]) == ("Recovering", "False")
    again = refused(observed(environment() | {"status": first.status}), Plan(), fails("read tcp 10.0.0.1:40002"))
    assert again.status == first.status
    assert again.events == ()
    later = environment(generation=2) | {"status": first.status}
    assert "40003" in condition(refused(observed(later), Plan(), fails("40003")).status, "Ready")["message"]
