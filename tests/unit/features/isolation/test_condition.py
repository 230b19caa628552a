"""The condition about where nested containers are: told of one start of the daemon, absent where nobody knows."""

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.objects import POLICY, condition, environment, observed, running_pod

from dind_operator.api.conditions import Reason
from dind_operator.api.status import Phase
from dind_operator.controller.decide import make_plan
from dind_operator.controller.events import changes
from dind_operator.controller.status import build_status
from dind_operator.state.assessment import Assessment, Condition
from dind_operator.state.node_reports import IsolationReport
from dind_operator.state.observed import Observed

READY = Assessment(Phase.RUNNING, Condition.true(Reason.READY, "It answers."))
INSIDE, UNKNOWN = IsolationReport(inside=True), IsolationReport(inside=None, detail="no such image")
OUTSIDE = IsolationReport(inside=False, detail="memory:/docker/x")


def seen(report: IsolationReport | None, status: dict[str, Any] | None = None, **pod: Any) -> Observed:
    found = running_pod()
    found["status"]["containerStatuses"][0] |= pod
    return replace(observed(environment() | {"status": status or {}}, found), isolation=report)


def told(status: dict[str, Any]) -> bool:
    return any(item["type"] == "IsolationVerified" for item in status["conditions"])


def test_inside_is_true_and_outside_is_false_with_the_group() -> None:
    found = condition(build_status(seen(INSIDE), READY), "IsolationVerified")
    assert (found["status"], found["reason"]) == ("True", "IsolationVerified")
    found = condition(build_status(seen(OUTSIDE), READY), "IsolationVerified")
    assert (found["status"], found["reason"]) == ("False", "IsolationFailed")
    assert "(memory:/docker/x)" in found["message"]


@pytest.mark.parametrize("report", [None, UNKNOWN])
def test_it_is_absent_where_nothing_was_found_out(report: IsolationReport | None) -> None:
    assert not told(build_status(seen(report), READY))


REFUSED = IsolationReport(
    inside=None,
    detail='POST /containers/x/start: HTTP status 500: runc: namespace {"time" ""} does not exist',
    startRefused=True,
)


def test_a_daemon_that_can_start_no_container_is_not_ready() -> None:
    """Until it can: the helper tries again, and so the log is read again."""
    first = make_plan(seen(REFUSED), POLICY).status
    assert first is not None
    for kind in ("IsolationVerified", "Ready"):
        found = condition(first, kind)
        assert (found["status"], found["reason"]) == ("False", "ContainersCannotStart")
        assert 'namespace {"time" ""} does not exist' in found["message"]
    kept = make_plan(seen(None, first), POLICY).status
    assert condition(kept, "Ready")["reason"] == "ContainersCannotStart"
    after = make_plan(seen(INSIDE, first), POLICY).status
    assert condition(after, "Ready")["status"] == condition(after, "IsolationVerified")["status"] == "True"
    again = make_plan(seen(None, first, restartCount=1), POLICY).status
    assert condition(again, "Ready")["status"] == "True", "another start of the daemon"


def test_it_stays_for_the_same_start_and_goes_with_it() -> None:
    status = build_status(seen(OUTSIDE), READY)
    assert condition(build_status(seen(None, status), READY), "IsolationVerified") == condition(
        status, "IsolationVerified"
    )
    assert not told(build_status(seen(None, status, restartCount=1), READY))
    other = seen(None, status)
    assert other.pod is not None
    other.pod["metadata"]["uid"] = "another"
    assert not told(build_status(other, READY))
    assert not told(build_status(replace(seen(None, status), pod=None), READY))


def test_a_condition_of_that_type_by_another_hand_does_not_stay() -> None:
    status = build_status(seen(INSIDE), READY)
    condition(status, "IsolationVerified")["reason"] = "Somebody"
    assert not told(build_status(seen(None, status), READY))


def test_only_outside_is_worth_an_event() -> None:
    events = [
        changes(found, build_status(found, READY)["conditions"])
        for found in map(seen, (INSIDE, UNKNOWN, None, OUTSIDE))
    ]
    assert events[:3] == [(), (), ()]
    ((note,),) = events[3:]
    assert (note.reason, note.warning) == ("IsolationFailed", True)
