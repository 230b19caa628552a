"""Events about environments: what the API server gets, equal ones, and how many."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.objects import NOW, UID, environment

from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.manager.event_recorder import BURST, MAX_REMEMBERED, REFILL, EventRecorder, event_of
from dind_operator.state.cluster import Event


def test_an_event_is_about_the_environment_and_by_the_operator() -> None:
    event = event_of(environment(), Event("ExpiresSoon", "m", warning=True), NOW)
    assert event["metadata"] == {"generateName": "builder-", "namespace": "team-a"}
    about = event["involvedObject"]
    assert (about["kind"], about["name"], about["uid"], about["resourceVersion"]) == (
        *("DindEnvironment", "builder", UID, "100"),
    )
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "ExpiresSoon", "m")
    assert event["reportingComponent"] == event["source"]["component"] == "dind-operator"
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2025-06-01T12:00:00Z"


def test_a_message_is_cut_to_what_an_event_may_hold() -> None:
    event = event_of(environment(), Event("Ready", "x" * 2000, warning=False), NOW)
    assert (event["type"], len(event["message"])) == ("Normal", 1024)


class Server:
    """Keeps Events as the API server does; `gone` are names that somebody deleted."""

    def __init__(self) -> None:
        self.now = NOW
        self.events: dict[str, dict[str, Any]] = {}
        self.gone: set[str] = set()

    async def call(self, method: str, path: str, *, body: dict[str, Any], content_type: str = "") -> dict[str, Any]:
        if method == "POST":
            name = f"e{len(self.events)}"
            self.events[name] = {**body, "metadata": {"name": name}}
            return self.events[name]
        name = path.rpartition("/")[2]
        assert content_type == "application/merge-patch+json"
        if name in self.gone:
            raise ClusterError(ErrorClass.NOT_FOUND, "not found")
        self.events[name] |= body
        return self.events[name]

    def counts(self) -> list[int]:
        return [event["count"] for event in self.events.values()]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def recorder(server: Server) -> EventRecorder:
    return EventRecorder(server.call, lambda: server.now)


READY = Event("Ready", "It answers.", warning=False)


async def test_equal_events_are_one_with_a_count_and_the_time_of_the_last(
    server: Server, recorder: EventRecorder
) -> None:
    for _ in range(3):
        await recorder.record(environment(), READY)
        server.now += timedelta(minutes=1)
    await recorder.record(environment(), replace(READY, message="Another text."))
    assert server.counts() == [3, 1]
    assert server.events["e0"]["firstTimestamp"] == "2025-06-01T12:00:00Z"
    assert server.events["e0"]["lastTimestamp"] == "2025-06-01T12:02:00Z"


async def test_an_event_of_long_ago_or_of_another_environment_is_not_counted(
    server: Server, recorder: EventRecorder
) -> None:
    await recorder.record(environment(), READY)
    await recorder.record(environment(uid="another"), READY)
    server.now += timedelta(minutes=10)
    await recorder.record(environment(), READY)
    assert server.counts() == [1, 1, 1]


async def test_an_event_that_was_deleted_is_recorded_anew(server: Server, recorder: EventRecorder) -> None:
    await recorder.record(environment(), READY)
    server.gone.add("e0")
    await recorder.record(environment(), READY)
    await recorder.record(environment(), READY)
    assert server.counts() == [1, 2]


async def test_a_reason_has_a_bounded_number_and_no_other_pays_for_it(server: Server, recorder: EventRecorder) -> None:
    for number in range(100):
        await recorder.record(environment(), replace(READY, message=str(number)))
    assert len(server.events) == BURST
    await recorder.record(environment(uid="another"), READY)
    await recorder.record(environment(), replace(READY, reason="ExpiresSoon"))
    assert len(server.events) == BURST + 2
    server.now += REFILL
    for number in range(100, 200):
        await recorder.record(environment(), replace(READY, message=str(number)))
    assert len(server.events) == BURST + 3


async def test_what_is_remembered_is_bounded(server: Server, recorder: EventRecorder) -> None:
    for number in range(MAX_REMEMBERED + 10):
        await recorder.record(environment(uid=str(number)), READY)
    assert len(recorder._recorded) == len(recorder._budgets) == MAX_REMEMBERED
