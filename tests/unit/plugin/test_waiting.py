"""Waiting: what ends it, what is said meanwhile, and when the time is over."""

from __future__ import annotations

import io
from typing import Any

import pytest
from tests.unit.plugin import states
from tests.unit.plugin.conftest import FakeKubectl
from tests.unit.plugin.states import condition, environment

from dind_operator.plugin.errors import CliError, Exit, NotFoundError
from dind_operator.plugin.kubectl import Kubectl
from dind_operator.plugin.output import Progress
from dind_operator.plugin.waiting import Goal, wait_for

STARTING = environment(condition("Ready", "False", "DaemonStarting"))


class Wait:
    """Waits with a clock that goes on by sleeping, with another answer of kubectl after each look."""

    def __init__(self, kubectl: FakeKubectl) -> None:
        self._kubectl = kubectl
        self.said = io.StringIO()

    def __call__(self, goal: Goal, *answers: Any, seconds: float = 30, uid: str | None = None) -> dict[str, Any] | None:
        left, now = list(answers), [0.0]

        def following() -> None:
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, str) and answer.startswith("Error"):
                self._kubectl.fails("get", answer)
            else:
                self._kubectl.answers("get", answer)

        def sleep(pause: float) -> None:
            now[0] += pause
            following()

        following()
        progress = Progress("one", self.said)
        return wait_for(Kubectl(), "one", goal, seconds, progress, uid=uid, clock=lambda: now[0], sleep=sleep)


@pytest.fixture
def wait(kubectl: FakeKubectl) -> Wait:
    return Wait(kubectl)


def test_ready_comes_after_what_is_told(wait: Wait) -> None:
    found = wait(Goal.READY, environment(), STARTING, STARTING, states.usable())
    assert found == states.usable()
    assert wait.said.getvalue().splitlines() == [
        "one: waiting for the operator to process the environment",
        "one: the Docker daemon is starting",
    ]


def test_the_endpoint_is_more_than_ready(wait: Wait) -> None:
    assert wait(Goal.ENDPOINT, environment(states.READY), states.usable()) == states.usable()
    assert "its endpoint is being created" in wait.said.getvalue()
    assert wait(Goal.READY, environment(states.READY)) is not None


def test_when_the_time_is_over_it_says_what_is_missing(wait: Wait) -> None:
    with pytest.raises(
        CliError, match=r"one is not ready after 3s: the Docker daemon is starting.*dind report one"
    ) as caught:
        wait(Goal.READY, STARTING, seconds=3)
    assert caught.value.code is Exit.NOT_READY


def test_nobody_is_waited_for_in_silence(wait: Wait) -> None:
    with pytest.raises(CliError, match="Check that the operator is running"):
        wait(Goal.READY, environment(), seconds=20)


@pytest.mark.parametrize("goal", [Goal.READY, Goal.ENDPOINT])
def test_what_will_not_come_is_not_waited_for(wait: Wait, goal: Goal) -> None:
    with pytest.raises(CliError, match="is suspended") as caught:
        wait(goal, environment(spec={"operatingMode": "Suspended"}))
    assert caught.value.code is Exit.NOT_USABLE


def test_suspended_is_without_a_pod(wait: Wait) -> None:
    resting = environment(states.SUSPENDED, spec={"operatingMode": "Suspended"})
    found = wait(Goal.SUSPENDED, states.usable(), {"items": [resting, states.pod()]}, resting)
    assert found == resting
    assert "neither suspended nor expired" in wait.said.getvalue()


def test_deleted_is_without_a_pod_and_another_of_the_name_is_another(wait: Wait) -> None:
    going = environment(states.READY, deletionTimestamp="2026-01-01T00:00:00Z")
    assert wait(Goal.DELETED, {"items": [going, states.pod()]}, states.pod(), "", uid="u1") is None
    assert wait.said.getvalue().splitlines() == ["one: being deleted", "one: the pod is terminating"]
    assert wait(Goal.DELETED, states.usable(uid="u2"), uid="u1") is None
    with pytest.raises(CliError, match="not deleted"):
        wait(Goal.DELETED, states.usable(), seconds=1, uid="u1")


def test_what_is_not_there_is_said_and_a_lost_right_is_told(wait: Wait) -> None:
    with pytest.raises(NotFoundError, match="there is no DindEnvironment one"):
        wait(Goal.READY, 'Error from server (NotFound): dindenvironments.dind.dev "one" not found')
    with pytest.raises(CliError, match="does not serve DindEnvironments"):
        wait(Goal.READY, "Error from server (NotFound): the server could not find the requested resource")
    with pytest.raises(CliError, match="not permitted"):
        wait(Goal.READY, 'Error from server (Forbidden): User "a" cannot get resource "x"')
