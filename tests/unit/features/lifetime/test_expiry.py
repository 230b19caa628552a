"""When an environment expires: examples that read like the documentation, and properties of the arithmetic of clocks."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit import objects
from tests.unit.controller.states import worlds
from tests.unit.controller.world import World
from tests.unit.objects import NOW, condition, environment, node, running_pod

from dind_operator.api.conditions import format_time
from dind_operator.api.lifetime import parse_duration
from dind_operator.controller.actions import DeleteEnvironment, DeletePod
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.state.node_reports import ActivityReport
from dind_operator.state.periods import REAL, Periods

CREATED = datetime.fromisoformat("2025-06-01T11:59:00Z")
TTL = {"lifetime": {"ttl": "1h"}}
IDLE = {"lifetime": {"idleTimeout": "30m"}}
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
# A minute of three seconds.
SHORT = replace(objects.POLICY, periods=Periods(minute=MINUTE / 20))


def world(fields: dict[str, Any], **metadata: Any) -> World:
    """An environment whose daemon answers, settled."""
    made = World(environment(fields, **metadata), running_pod(fields), objects.namespace(), node())
    made.settle()
    return made


def at(made: World, moment: datetime) -> World:
    made.now = moment
    made.settle()
    return made


def idle(made: World, seconds: float) -> World:
    """The helper said so just now."""
    made.activity = ActivityReport(idle=True, idleSeconds=int(seconds))
    made.settle()
    made.activity = None
    return made


def ready(made: World) -> tuple[str, str]:
    found = condition(made.environment["status"], "Ready")
    return made.environment["status"]["phase"], found["reason"]


def lifetime(made: World) -> dict[str, Any]:
    found: dict[str, Any] = made.environment["status"].get("lifetime", {})
    return found


def events(made: World) -> list[str]:
    return [event.reason for event in made.plan().events]


def kubelet_ends_it(made: World) -> None:
    assert made.pod is not None
    assert made.pod["metadata"]["deletionTimestamp"]
    made.pod = None
    made.settle()


# The time to live


def test_without_a_lifetime_nothing_is_said_of_it() -> None:
    made = world({})
    assert "lifetime" not in made.environment["status"]
    assert lifetimes.of(made.observe()) == lifetimes.NO_END


def test_a_time_to_live_is_told_warned_of_once_and_then_the_pod_is_gone_and_the_rest_is_kept() -> None:
    made = world(TTL)
    assert lifetime(made) == {"expiresAt": "2025-06-01T12:59:00Z"}
    assert lifetimes.of(made.observe()).wait == pytest.approx((CREATED + 54 * MINUTE - NOW).total_seconds())
    made.now = CREATED + 54 * MINUTE
    plan = made.plan()
    (warning,) = plan.events
    assert (warning.reason, warning.warning) == ("ExpiresSoon", True)
    assert "expires at 2025-06-01T12:59:00Z (spec.lifetime.ttl of 1h) and is then suspended" in warning.message
    assert "kubectl annotate dind -n team-a builder --overwrite dind.dev/extend-until=" in warning.message
    made.apply(plan)
    at(made, CREATED + HOUR - timedelta(seconds=1))
    assert ready(made) == ("Running", "Ready")
    assert events(made) == []
    made.now = CREATED + HOUR
    plan = made.plan()
    assert [type(action) for action in plan.actions] == [DeletePod]
    assert plan.status_first
    made.apply(plan)
    made.settle()
    assert ready(made) == ("Suspending", "TTLExpired")
    kubelet_ends_it(made)
    assert ready(made) == ("Suspended", "TTLExpired")
    assert lifetime(made)["expired"] == {"reason": "TTLExpired", "time": "2025-06-01T12:59:00Z"}
    assert "increase or remove spec.lifetime.ttl" in condition(made.environment["status"], "Ready")["message"]
    before = copy.deepcopy(made.environment)
    assert at(made, CREATED + 100 * HOUR).environment == before


def test_delete_deletes_the_environment_and_nothing_of_it_by_hand() -> None:
    made = world({"lifetime": {"ttl": "1h", "expire": "Delete"}})
    at(made, CREATED + 54 * MINUTE)
    made.now = CREATED + HOUR
    plan = made.plan()
    assert plan.actions == (DeleteEnvironment(),)
    assert plan.status_first
    (event,) = plan.events
    assert event.reason == "TTLExpired"
    assert "because spec.lifetime.expire is Delete" in event.message
    made.apply(plan)
    assert lifetime(made)["expired"]["reason"] == "TTLExpired"


@pytest.mark.parametrize(
    ("wrong", "deletes"),
    [
        ({"ttl": "1h", "idleTimeout": "soon"}, False),
        ({"ttl": "1h", "other": 1, "expire": "Delete"}, True),
        ({"ttl": "1h", "expire": "Sometimes"}, False),
        ({"ttl": "1h", "idleTimeout": None, "expire": None}, False),
    ],
)
def test_a_lifetime_that_is_invalid_ends_by_what_of_it_is_valid(wrong: dict[str, Any], deletes: bool) -> None:
    made = world(copy.deepcopy(TTL))
    made.environment["spec"]["lifetime"] = wrong
    at(made, CREATED + 54 * MINUTE)
    made.now = CREATED + HOUR
    assert [type(action) for action in made.plan().actions] == [DeleteEnvironment if deletes else DeletePod]


@pytest.mark.parametrize("wrong", [{"ttl": "soon"}, {}, [], "1h", {"other": "1h"}])
def test_what_is_no_lifetime_ends_nothing(wrong: Any) -> None:
    made = world(copy.deepcopy(TTL))
    made.environment["spec"]["lifetime"] = wrong
    assert lifetimes.of(made.observe()) == lifetimes.NO_END


@pytest.mark.parametrize("expire", ["Suspend", "Delete"])
def test_an_operator_that_was_away_warns_first_and_gives_a_minute(expire: str) -> None:
    made = world({"lifetime": {"ttl": "1h", "expire": expire}})
    made.done.clear()
    made.now = CREATED + 10 * HOUR
    (warning,) = made.plan().events
    assert "expires at 2025-06-01T22:00:00Z" in warning.message  # in a minute, not nine hours ago
    made.settle()
    at(made, made.now + timedelta(seconds=59))
    assert made.done == []
    at(made, made.now + timedelta(seconds=1))
    # Its pod is deleted by the operator, too, because a finalizer may keep the environment.
    expected = [DeleteEnvironment, DeletePod] if expire == "Delete" else [DeletePod]
    assert [type(action) for action in made.done] == expected


def test_where_there_is_no_pod_none_is_made_for_the_warning() -> None:
    made = World(environment(TTL), None, objects.namespace(), now=CREATED + 2 * HOUR)
    made.settle()
    assert made.done == []
    assert ready(made) == ("Suspended", "TTLExpired")


def test_a_raised_time_to_live_brings_it_back_and_is_warned_of_again() -> None:
    made = world(TTL)
    at(made, CREATED + 54 * MINUTE)
    at(made, CREATED + HOUR)
    kubelet_ends_it(made)
    made.environment["spec"] = {"lifetime": {"ttl": "3h"}}
    made.environment["metadata"]["generation"] += 1
    made.settle()
    assert made.created == 1
    assert lifetime(made) == {"expiresAt": "2025-06-01T14:59:00Z"}
    made.now = CREATED + 3 * HOUR - 18 * MINUTE
    assert "ExpiresSoon" in events(made)


def test_an_extension_brings_it_back_until_then() -> None:
    made = world(TTL)
    at(made, CREATED + 54 * MINUTE)
    at(made, CREATED + HOUR)
    kubelet_ends_it(made)
    made.environment["metadata"]["annotations"] = {"dind.dev/extend-until": "2025-06-01T18:00:00+02:00"}
    made.settle()
    assert made.created == 1
    assert lifetime(made)["expiresAt"] == "2025-06-01T16:00:00Z"


def test_an_extension_into_the_past_shortens_nothing() -> None:
    made = world(TTL, annotations={"dind.dev/extend-until": "2025-06-01T12:00:00Z"})
    assert lifetime(made)["expiresAt"] == "2025-06-01T12:59:00Z"


@pytest.mark.parametrize(
    "text", ["tomorrow", "2025-06-01T18:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"]
)
def test_an_extension_that_is_no_time_counts_for_nothing_and_is_told(text: str) -> None:
    made = world(TTL, annotations={"dind.dev/extend-until": text})
    assert lifetime(made)["expiresAt"] == "2025-06-01T12:59:00Z"
    made.now = CREATED + 54 * MINUTE
    assert f"The value {text!r} of the annotation dind.dev/extend-until is ignored" in made.plan().events[0].message


def test_a_clock_that_is_fast_ends_nothing_early() -> None:
    made = world(TTL)
    at(made, CREATED + 54 * MINUTE)
    made.now = CREATED + 2 * HOUR
    assert lifetimes.of(replace(made.observe(), clock_skew=HOUR + MINUTE)).expired is None
    assert lifetimes.of(replace(made.observe(), clock_skew=HOUR)).expired is not None


def test_a_suspended_environment_lives_on_suspended_and_is_not_warned() -> None:
    made = World(environment(TTL | {"operatingMode": "Suspended"}), None, objects.namespace(), now=CREATED + 2 * HOUR)
    plan = made.plan()
    assert [event.reason for event in plan.events] == ["Suspended"]
    made.settle()
    assert ready(made) == ("Suspended", "Suspended")
    assert "expired" not in lifetime(made)


def test_a_suspended_environment_is_deleted_when_its_time_is_over() -> None:
    fields = {"lifetime": {"ttl": "1h", "expire": "Delete"}, "operatingMode": "Suspended"}
    made = World(environment(fields), None, objects.namespace(), now=CREATED + 2 * HOUR)
    made.settle()
    assert made.done == []
    at(made, made.now + MINUTE)
    assert made.done == [DeleteEnvironment()]


def test_in_a_namespace_that_is_closed_a_daemon_ends_as_elsewhere() -> None:
    made = World(environment(TTL), running_pod(TTL), objects.namespace(labelled=False), node(), now=CREATED + 2 * HOUR)
    assert events(made) == ["NamespaceNotEnabled", "ExpiresSoon"]
    made.settle()
    assert at(made, made.now + 2 * MINUTE).done == [DeletePod(objects.POD_UID)]


def test_in_a_namespace_that_is_closed_without_a_pod_nothing_expires_and_nothing_is_warned_of() -> None:
    made = World(environment(TTL), None, objects.namespace(labelled=False), node(), now=CREATED + 2 * HOUR)
    assert [event.reason for event in made.plan().events] == ["NamespaceNotEnabled"]
    made.settle()
    assert at(made, made.now + HOUR).done == []
    assert lifetime(made) == {}
    made.namespace = objects.namespace()
    assert events(made) == ["TTLExpired"]


# The idle timeout


def test_an_environment_that_is_used_has_no_end() -> None:
    made = world(IDLE)
    made.activity = ActivityReport(idle=False)
    made.settle()
    assert lifetime(made) == {}
    assert condition(made.environment["status"], "ActivityKnown")["status"] == "True"


def test_an_idle_environment_is_told_warned_and_suspended_when_the_helper_says_so() -> None:
    made = world(IDLE)
    made.now = NOW + 10 * MINUTE
    idle(made, 60)
    # A second for what is lost by rounding: the true time is never later.
    assert lifetime(made) == {"idleSince": "2025-06-01T12:09:01Z", "expiresAt": "2025-06-01T12:39:01Z"}
    made.now += 28 * MINUTE + timedelta(seconds=30)
    made.activity = ActivityReport(idle=True, idleSeconds=29 * 60)
    assert events(made) == ["ExpiresSoon"]
    idle(made, 29 * 60)
    made.now += 2 * MINUTE
    made.settle()  # nobody has looked: it may be in use
    assert ready(made) == ("Running", "Ready")
    idle(made, 31 * 60)
    assert ready(made) == ("Suspending", "IdleTimeoutExceeded")
    kubelet_ends_it(made)
    before = copy.deepcopy(made.environment)
    assert at(made, made.now + 100 * HOUR).environment == before
    assert ready(made) == ("Suspended", "IdleTimeoutExceeded")
    assert made.created == 0


def expired_by_idling() -> World:
    made = world(IDLE)
    made.now = NOW + HOUR
    idle(made, 29 * 60)
    made.now += 2 * MINUTE
    idle(made, 31 * 60)
    kubelet_ends_it(made)
    assert ready(made) == ("Suspended", "IdleTimeoutExceeded")
    return made


def test_what_was_idle_comes_back_by_an_extension_and_counts_anew() -> None:
    made = expired_by_idling()
    made.environment["metadata"]["annotations"] = {"dind.dev/extend-until": format_time(made.now + HOUR)}
    made.settle()
    assert made.created == 1
    assert lifetime(made) == {}
    at(made, made.now + 2 * HOUR)
    assert made.done.count(DeletePod("made-1")) == 0


@pytest.mark.parametrize("change", [{"lifetime": {"idleTimeout": "8h"}}, {}, {"lifetime": {"ttl": "7d"}}])
def test_what_was_idle_comes_back_by_a_longer_timeout_or_by_none(change: dict[str, Any]) -> None:
    made = expired_by_idling()
    made.environment["spec"] = change
    made.environment["metadata"]["generation"] += 1
    made.settle()
    assert made.created == 1


def test_what_was_idle_comes_back_when_it_is_suspended_and_resumed_by_hand() -> None:
    made = expired_by_idling()
    for mode in ("Suspended", "Running"):
        made.environment["spec"] = IDLE | {"operatingMode": mode}
        made.environment["metadata"]["generation"] += 1
        made.settle()
        assert made.created == (mode == "Running")


def test_use_after_the_warning_begins_anew() -> None:
    made = world(IDLE)
    made.now = NOW + HOUR
    idle(made, 29 * 60)
    assert "idleWarnedAt" in lifetime(made)
    made.activity = ActivityReport(idle=False)
    made.settle()
    assert lifetime(made) == {}
    made.now += 29 * MINUTE
    made.activity = ActivityReport(idle=True, idleSeconds=29 * 60)
    assert events(made) == ["ExpiresSoon"]


def test_a_pod_that_lives_on_after_it_was_said_to_be_over_may_be_used() -> None:
    """The operator stored that it has expired and ended; it comes back after the user did."""
    made = world(IDLE)
    made.now = NOW + HOUR
    idle(made, 29 * 60)
    made.now += 2 * MINUTE
    made.activity = ActivityReport(idle=True, idleSeconds=31 * 60)
    made.apply(made.plan(), only="first half")
    assert "expired" in lifetime(made)
    made.activity = ActivityReport(idle=False)
    made.settle()
    assert made.done == []
    assert ready(made) == ("Running", "Ready")


def test_at_rest_the_delays_of_looks_are_not_written() -> None:
    made = world(IDLE)
    made.now = NOW + HOUR
    idle(made, 60)
    before = copy.deepcopy(made.environment)
    for minute in range(1, 20):
        made.now += MINUTE
        idle(made, 60 + 60 * minute - (minute % 3) * 20)
        assert made.environment == before


def test_what_a_foreign_pod_logs_counts_for_nothing() -> None:
    made = world({"lifetime": {"idleTimeout": "30m", "expire": "Delete"}})
    assert made.pod is not None
    made.pod["metadata"] |= {"ownerReferences": [], "annotations": {}}
    made.done.clear()
    for _ in range(3):
        made.now += HOUR
        idle(made, 10**6)
    assert made.done == []


def test_a_helper_that_cannot_see_ends_nothing() -> None:
    made = world(IDLE)
    for _ in range(3):
        made.now += HOUR
        made.activity = ActivityReport(idle=True, idleSeconds=10**6, seen=False)
        made.settle()
    assert made.done == []


# With shorter minutes, as tests of the whole have them


def test_with_a_minute_of_three_seconds_an_hour_to_live_takes_three_minutes() -> None:
    made = World(environment(TTL), running_pod(TTL), objects.namespace(), node(), policy=SHORT, now=CREATED)
    made.settle()
    assert lifetime(made) == {"expiresAt": "2025-06-01T12:02:00Z"}
    assert events(at(made, CREATED + timedelta(seconds=161))) == []
    made.now += timedelta(seconds=1)
    (warning,) = made.plan().events
    assert "expires at 2025-06-01T12:02:00Z (spec.lifetime.ttl of 1h)" in warning.message
    made.settle()
    made.done.clear()
    assert at(made, CREATED + timedelta(seconds=179)).done == []
    assert at(made, CREATED + timedelta(seconds=180)).done == [DeletePod(objects.POD_UID)]


def test_with_a_minute_of_three_seconds_a_minute_of_being_idle_takes_three_and_the_notice_three_more() -> None:
    fields = {"lifetime": {"idleTimeout": "1m"}}
    made = World(environment(fields), running_pod(fields), objects.namespace(), node(), policy=SHORT)
    made.settle()
    made.now += timedelta(seconds=10)
    made.activity = ActivityReport(idle=True, idleSeconds=3)
    assert events(made) == ["ExpiresSoon"]
    idle(made, 3)
    made.done.clear()
    made.now += timedelta(seconds=2)
    idle(made, 5)
    assert made.done == []
    made.now += timedelta(seconds=1)
    idle(made, 6)
    assert ready(made) == ("Suspending", "IdleTimeoutExceeded")


# Properties

SECONDS = st.integers(0, 3 * 24 * 3600)


@given(worlds())
def test_nothing_expires_before_its_time_or_without_a_minutes_notice(made: World) -> None:
    seen = made.observe()
    found = lifetimes.of(seen)
    if found.expired is None:
        return
    assert found.expired.at <= seen.now
    old = (seen.environment.get("status") or {}).get("lifetime") or {}
    warned = [text for name, text in old.items() if name.endswith("WarnedAt")]
    noticed = any(datetime.fromisoformat(text) + seen.periods.notice <= seen.now for text in warned)
    assert noticed or "expired" in old or (seen.pod is None and not found.deletes)


@given(st.lists(st.tuples(st.integers(1, 4000), st.booleans()), min_size=1, max_size=25), st.integers(0, 300))
def test_an_environment_that_was_used_within_its_timeout_is_never_suspended(
    steps: list[tuple[int, bool]], late: int
) -> None:
    """Looks at any distance, lines up to five minutes old, use at any time: the last use is never forgotten."""
    made = world(IDLE)
    last_use = made.now
    for seconds, used in steps:
        made.now += timedelta(seconds=seconds)
        if used:
            last_use = made.now
        age = made.now - last_use
        told = max(age - timedelta(seconds=late), timedelta(0))
        is_idle = told >= MINUTE
        made.activity = ActivityReport(idle=is_idle, idleSeconds=int(told.total_seconds()) if is_idle else 0)
        made.settle()
        since = lifetime(made).get("idleSince")
        if since is not None:
            assert datetime.fromisoformat(since) >= last_use - timedelta(minutes=11)
        if any(isinstance(action, DeletePod) for action in made.done):
            assert age >= timedelta(minutes=30)
            return


@given(SECONDS, st.integers(1, 72), st.integers(0, 7200))
def test_the_wait_leads_to_the_next_thing_and_never_past_it(passed: int, hours: int, clock_skew: int) -> None:
    made = world({"lifetime": {"ttl": f"{hours}h"}})
    made.now = CREATED + timedelta(seconds=passed)
    made.done.clear()
    for _ in range(4):
        seen = replace(made.observe(), clock_skew=timedelta(seconds=clock_skew))
        found = lifetimes.of(seen)
        if found.expired is not None:
            assert seen.now - seen.clock_skew >= CREATED + timedelta(hours=hours)
            return
        assert found.wait is not None
        made.environment["status"]["lifetime"] = found.fields
        made.now += timedelta(seconds=found.wait)
    raise AssertionError("it never expires")


@given(st.integers(1, 525600))
def test_the_warning_leaves_a_minute_at_least_and_an_hour_at_most(minutes: int) -> None:
    whole = parse_duration(f"{minutes}m")
    assert timedelta(minutes=1) <= lifetimes.lead(whole, REAL) <= min(HOUR, whole)
