"""Lifetimes before a real API server: its own times and preconditions, restarts, and an operator that was away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import Answer, Call, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, Clock, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.client import Object
from tests.kube.eventually import eventually

TTL = {"lifetime": {"ttl": "1h"}}
DELETE = {"lifetime": {"ttl": "1h", "expire": "Delete"}}
IDLE = {"lifetime": {"idleTimeout": "30m"}}
WARNING = timedelta(minutes=55)
OVER = timedelta(minutes=61)


def lifetime(space: Space) -> dict[str, Any]:
    found: dict[str, Any] = space.status().get("lifetime", {})
    return found


def wait_lifetime(space: Space, holds: Callable[[dict[str, Any]], Any], what: str) -> None:
    """`holds` is asked about what status tells of the lifetime; {} while it tells nothing."""
    space.wait_status_that(lambda status: holds(status.get("lifetime", {})), what)


def count(space: Space, reason: str) -> int:
    return [event["reason"] for event in space.events()].count(reason)


def running(space: Space, kubelet: Kubelet, spec: Object) -> Object:
    """An environment whose daemon answers, and that is told of."""
    space.create(spec=spec)
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.wait_status_that(lambda status: "docker" in status, "the versions")
    return pod


def warned(space: Space) -> None:
    space.wait_event("ExpiresSoon")


def at_rest(operator: RunningOperator, space: Space) -> None:
    """Everything is looked at again and again, and nothing is written."""
    operator.wait_resyncs(1)
    version = (space.environment() or {})["metadata"]["resourceVersion"]
    operator.wait_resyncs(3)
    assert (space.environment() or {})["metadata"]["resourceVersion"] == version


def test_a_time_to_live_ends_with_one_warning_over_restarts_and_the_spec_is_not_touched(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    clock = Clock()
    operator = start(resync_seconds=OFTEN, clock=clock).wait_ready()
    pod = running(space, kubelet, TTL)
    before = (space.environment() or {})["spec"]
    created = datetime.fromisoformat((space.environment() or {})["metadata"]["creationTimestamp"])
    assert datetime.fromisoformat(lifetime(space)["expiresAt"]) == created + timedelta(hours=1)
    at_rest(operator, space)
    clock.passed = WARNING
    warned(space)
    operator.kill()
    operator = start(resync_seconds=OFTEN, clock=clock).wait_ready()
    at_rest(operator, space)
    assert count(space, "ExpiresSoon") == 1
    assert space.condition()["reason"] == "Ready"
    clock.passed = OVER
    going = space.wait_going()
    told = space.wait_reason("TTLExpired")
    assert "increase or remove spec.lifetime.ttl" in told["message"]
    kubelet.finish(going)
    space.wait_status(phase="Suspended")
    at_rest(operator, space)
    assert (space.environment() or {})["spec"] == before
    assert (space.environment() or {})["metadata"]["generation"] == 1
    assert count(space, "TTLExpired") == 1
    # Back by the annotation, which is no change of the spec, and later by a longer time.
    space.extend((clock() + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M:%SZ"))
    again = kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")
    assert "expired" not in lifetime(space)
    space.extend(None)
    space.change({"lifetime": {"ttl": "7d"}})
    space.wait_reason("Ready")
    wait_lifetime(
        space,
        lambda told: datetime.fromisoformat(told["expiresAt"]) == created + timedelta(days=7),
        "the longer time",
    )
    assert (space.pod() or {})["metadata"]["uid"] == again["metadata"]["uid"]


def test_an_expired_environment_is_deleted_and_its_pod_is_garbage(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    clock = Clock()
    operator = start(resync_seconds=OFTEN, clock=clock).wait_ready()
    running(space, kubelet, DELETE)
    clock.passed = WARNING
    warned(space)
    clock.passed = OVER
    space.wait_gone()
    kubelet.finish(space.wait_going())
    assert count(space, "TTLExpired") == 1
    (call,) = [call for call in operator.proxy.calls if on("delete", "dindenvironments")(call)]
    assert set((call.body or {})["preconditions"]) == {"uid", "resourceVersion"}
    assert operator.proxy.count(on("delete", "pods")) == 0
    assert operator.lines == [line for line in operator.lines if "exception" not in line]


def test_an_extension_in_the_last_moment_holds(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """It comes between the operator's last look and its call, and no watch has told of it."""
    clock = Clock()
    proxy = start.proxy()
    extended: list[Object] = []

    def extend_before(call: Call) -> bool:
        if on("delete", "dindenvironments")(call) and not extended:
            extended.append(space.extend("2999-01-01T00:00:00Z"))
        return False

    start(proxy, resync_seconds=OFTEN, clock=clock).wait_ready()
    running(space, kubelet, DELETE)
    clock.passed = WARNING
    warned(space)
    proxy.fault(extend_before, Answer(500), times=None)
    clock.passed = OVER
    eventually(lambda: extended, "the call")
    wait_lifetime(space, lambda told: told.get("expiresAt") == "2999-01-01T00:00:00Z", "the extension")
    assert [call.code for call in proxy.calls if on("delete", "dindenvironments")(call)] == [409]
    assert "expired" not in lifetime(space)
    assert space.condition()["reason"] == "Ready"


@pytest.mark.parametrize("spec", [TTL, DELETE], ids=["suspend", "delete"])
def test_time_that_passed_while_the_operator_was_away_counts_and_the_warning_still_comes_first(
    start: Operators, space: Space, kubelet: Kubelet, spec: Object
) -> None:
    clock = Clock()
    start(clock=clock).wait_ready().stop()
    operator = start(clock=clock).wait_ready()
    running(space, kubelet, spec)
    operator.kill()
    clock.passed = timedelta(days=2)
    operator = start(resync_seconds=OFTEN, clock=clock).wait_ready()
    warned(space)
    at_rest(operator, space)
    assert space.pod() is not None
    assert "deletionTimestamp" not in (space.environment() or {})["metadata"]
    clock.passed += timedelta(minutes=1)
    kubelet.finish(space.wait_going())
    space.wait_event("TTLExpired")
    assert count(space, "ExpiresSoon") == 1


def test_an_operator_whose_clock_is_fast_ends_nothing(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """With a clock that is right, the same time ends it: the test before."""
    clock = Clock(fast=True)
    operator = start(resync_seconds=OFTEN, clock=clock).wait_ready()
    running(space, kubelet, DELETE)
    clock.passed = timedelta(days=2)
    at_rest(operator, space)
    assert count(space, "ExpiresSoon") == 0
    assert "ttlWarnedAt" not in lifetime(space)


def test_an_idle_environment_is_suspended_and_comes_back(start: Operators, space: Space, kubelet: Kubelet) -> None:
    clock = Clock()
    operator = start(resync_seconds=OFTEN, volume_check_seconds=0, clock=clock).wait_ready()
    pod = running(space, kubelet, IDLE)
    assert space.condition("ActivityKnown")["status"] == "Unknown"
    kubelet.says_idle(pod, None)
    clock.passed += timedelta(minutes=2)
    space.wait_reason("ActivityKnown", "ActivityKnown")
    assert lifetime(space) == {}
    kubelet.says_idle(pod, 600)
    clock.passed += timedelta(minutes=2)
    wait_lifetime(space, lambda told: "idleSince" in told, "being idle")
    at_rest(operator, space)
    kubelet.says_idle(pod, 29 * 60)
    clock.passed += timedelta(minutes=18)
    warned(space)
    # Used in the last minute: all begins anew.
    kubelet.says_idle(pod, None)
    clock.passed += timedelta(minutes=2)
    wait_lifetime(space, lambda told: told == {}, "being used")
    kubelet.says_idle(pod, 29 * 60)
    clock.passed += timedelta(minutes=29)
    space.wait_event("ExpiresSoon", count=2)
    kubelet.says_idle(pod, 31 * 60)
    clock.passed += timedelta(minutes=2)
    kubelet.finish(space.wait_going())
    space.wait_status(phase="Suspended")
    told = space.wait_reason("IdleTimeoutExceeded")
    assert "increase or remove spec.lifetime.idleTimeout" in told["message"]
    at_rest(operator, space)
    space.change({"operatingMode": "Suspended"})
    space.wait_reason("Suspended")
    space.change({"operatingMode": "Running"})
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")
    assert lifetime(space) == {}


@pytest.mark.parametrize(
    "lie", ["no json", "[]", '{"idle":"yes"}', '{"idle":true,"idleSeconds":1e99}', '{"idle":true,"idleSeconds":-1}']
)
def test_what_is_no_report_ends_nothing(start: Operators, space: Space, kubelet: Kubelet, lie: str) -> None:
    clock = Clock()
    operator = start(resync_seconds=OFTEN, clock=clock).wait_ready()
    pod = running(space, kubelet, IDLE)
    kubelet.logs["one"] += f"dind-activity {lie}\n"
    looks = on("get", "pods/log")
    for _ in range(2):
        seen = operator.proxy.count(looks)
        clock.passed += timedelta(hours=2)
        eventually(lambda seen=seen: operator.proxy.count(looks) > seen, "a look")
    at_rest(operator, space)
    assert (space.pod() or {})["metadata"]["uid"] == pod["metadata"]["uid"]
    assert space.condition("ActivityKnown")["status"] == "Unknown"


def test_without_the_right_to_read_logs_it_is_said_that_the_idle_timeout_does_not_work(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    operator = start(read_pod_logs=False).wait_ready()
    space.create(spec=IDLE)
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    told = space.wait_reason("PodLogAccessDisabled", "ActivityKnown")
    assert told["status"] == "False"
    assert "readPodLogs" in told["message"]
    assert operator.proxy.count(on("get", "pods/log")) == 0


def test_an_operator_that_may_not_delete_environments_says_so_and_does_not_hammer(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    clock = Clock()
    operator = start(resync_seconds=OFTEN, clock=clock).wait_ready()
    words = 'User "x" cannot delete resource "dindenvironments" in API group "dind.dev"'
    running(space, kubelet, DELETE)
    operator.proxy.fault(on("delete", "dindenvironments"), Answer(403, "Forbidden", words), times=None)
    clock.passed = WARNING
    warned(space)
    clock.passed = OVER
    assert words in space.wait_reason("Forbidden")["message"]
    tries, began = operator.proxy.count(on("delete", "dindenvironments")), operator.resyncs()
    at_rest(operator, space)
    assert operator.proxy.count(on("delete", "dindenvironments")) - tries <= operator.resyncs() - began + 1
    operator.proxy.heal()
    space.wait_gone()


def test_the_time_is_the_api_servers(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """The last seconds of a minute, counted from the creation, are waited for by the operator itself, and no resync helps."""
    clock = Clock()
    start(clock=clock).wait_ready()
    space.create(spec={"lifetime": {"ttl": "1m"}})
    kubelet.run(space.wait_pod())
    created = datetime.fromisoformat((space.environment() or {})["metadata"]["creationTimestamp"])
    warned(space)
    # Most of the minute passes at once, of which a change lets it know.
    clock.passed = created + timedelta(seconds=56) - datetime.now(UTC)
    space.change({"updatePolicy": "OnDelete"})
    space.wait_reason("Ready")
    assert "deletionTimestamp" not in (space.pod() or {})["metadata"]
    space.wait_going()
    assert timedelta(minutes=1) <= clock() - created < timedelta(minutes=1, seconds=10)
