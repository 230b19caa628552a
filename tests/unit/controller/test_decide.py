"""The plan: examples that read like the design, and properties over everything that may be observed."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from tests.unit import objects
from tests.unit.controller.states import worlds
from tests.unit.controller.world import World
from tests.unit.objects import NOW, POD_UID, POLICY, condition, environment, failed_pod, node, observed, running_pod

from dind_operator.api.conditions import ConditionType, Reason
from dind_operator.api.status import DindEnvironmentStatus
from dind_operator.controller.actions import NOTHING, CreatePod, DeleteEnvironment, DeletePod, Plan, RepairMetadata
from dind_operator.controller.decide import make_plan
from dind_operator.features.policy.rules import PolicyRules
from dind_operator.state import ownership
from dind_operator.state import pod_status as pods
from dind_operator.state.observed import NodeView, Observed, Policy
from dind_operator.state.periods import Periods

# More than other properties have: a state is made of a dozen parts, and some rules concern three of them together.
MANY = settings(max_examples=settings().max_examples * 6 // 5)
MEMORY = {"daemon": {"resources": {"limits": {"memory": "2Gi"}}}}


def deep(levels: int) -> Any:
    """A list in a list, so many times."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


# Specs that the model refuses, whether or not an API server with this CRD would store them.
INVALID: list[dict[str, Any]] = [
    {"daemon": {"nope": 1}},
    {"network": {"avoid": ["999.0.0.0/8"]}},
    {"daemon": {"config": {"runtimes": {}}}},
    {"storage": {"emptyDir": {}, "hostPath": {"path": "/x"}}},
    {"daemon": None, "endpoint": {"enabled": "maybe"}},
    {"daemon": {"config": {"deep": deep(200)}}},
]


def plan(seen: Observed, policy: Policy = POLICY) -> Plan:
    return make_plan(seen, policy)


def ready(found: Plan) -> tuple[str, str]:
    item = condition(found.status, "Ready")
    return item["status"], item["reason"]


# Properties


@MANY
@given(worlds())
def test_every_state_has_a_plan_with_a_valid_status_and_documented_words(world: World) -> None:
    found = world.plan()
    if found.status is None:
        return
    status = DindEnvironmentStatus.model_validate(found.status)
    assert len({item.type for item in status.conditions}) == len(status.conditions)
    for item in status.conditions:
        assert Reason(item.reason).meaning, f"{item.reason} is not documented"
        assert ConditionType(item.type).meaning
        assert item.message
    if status.last_failure is not None:
        assert Reason(status.last_failure.reason)
    assert all(value is not None for value in found.status.values())
    assert len(set(found.events)) == len(found.events), "told twice"


@MANY
@given(worlds())
def test_applied_twice_the_second_time_does_nothing(world: World) -> None:
    world.settle()
    again = world.plan()
    assert again.actions == ()
    assert not world.would_write(again)
    assert again.events == ()


@MANY
@given(worlds())
def test_an_operator_that_ends_half_way_is_taken_over_without_a_trace(world: World) -> None:
    other = copy.deepcopy(world)
    world.settle()
    other.apply(other.plan(), only="first half")
    other.settle()
    assert other.environment.get("status") == world.environment.get("status")
    assert (other.pod is None) == (world.pod is None)


@MANY
@given(worlds(foreign=True))
def test_a_foreign_pod_is_never_touched(world: World) -> None:
    """But for one of ours that nobody controls any more."""
    assert world.pod is not None
    assume(not ownership.orphaned(world.pod))
    before = copy.deepcopy(world.pod)
    world.settle()
    assert [action for action in world.done if action != DeleteEnvironment()] == []
    assert world.pod == before


@MANY
@given(worlds(foreign=True))
def test_no_environment_is_ready_by_a_foreign_pod(world: World) -> None:
    """Whatever is wrong with its spec."""
    found = world.plan()
    if found.status is not None:
        assert ready(found)[0] == "False"


@MANY
@given(worlds(deleted=True))
def test_of_an_environment_that_is_being_deleted_the_pod_is_deleted_and_nothing_else_done(world: World) -> None:
    """Its objects go with it; but somebody's finalizer may keep it for ever."""
    pod = world.pod
    own = pod is not None and ownership.conflict(pod, world.environment["metadata"]) is None
    own = own or (pod is not None and ownership.orphaned(pod))
    if pod is not None and own and not pods.terminating(pod):
        assert world.plan() == Plan(actions=(DeletePod(pods.uid(pod)),))
        world.apply(world.plan())
    assert world.plan() == NOTHING


@MANY
@given(worlds())
def test_nothing_is_done_in_a_namespace_that_ends_or_is_closed(world: World) -> None:
    labels = (world.namespace or {}).get("metadata", {}).get("labels")
    found = world.plan()
    if world.namespace is None or not labels or world.namespace["metadata"].get("deletionTimestamp"):
        assert found.actions == ()


@MANY
@given(worlds())
def test_what_is_known_of_a_failed_pod_is_stored_before_the_pod_is_deleted(world: World) -> None:
    assume(world.pod is None or not ownership.orphaned(world.pod))
    found = world.plan()
    deletes = [action for action in found.actions if isinstance(action, DeletePod)]
    if deletes and world.pod is not None and pods.ended(world.pod) and not pods.terminating(world.pod):
        assert found.status_first
        assert found.status is not None
        run = found.status.get("workloads") or {}
        over = run.get("result") and run["podUID"] == POD_UID
        assert over or found.status["lastFailure"]["podUID"] == POD_UID


@MANY
@given(worlds())
def test_force_is_only_for_a_node_that_is_gone(world: World) -> None:
    for action in world.plan().actions:
        if isinstance(action, DeletePod) and action.force:
            assert world.node is not None
            assert world.node.gone


@MANY
@given(worlds())
def test_an_event_is_recorded_only_with_a_status_that_changes(world: World) -> None:
    found = world.plan()
    if found.events:
        assert world.would_write(found)


# Examples


def test_no_pod_a_pod_is_made() -> None:
    found = plan(observed())
    assert [type(action) for action in found.actions] == [CreatePod]
    assert found.status is not None
    assert found.status["phase"] == "Pending"


def test_a_pod_that_is_well_is_left_alone() -> None:
    found = plan(observed(environment(), running_pod(), node=node()))
    assert found.actions == ()
    assert ready(found) == ("True", "Ready")
    assert condition(found.status, "UpToDate")["status"] == "True"
    assert found.status is not None
    assert found.status["node"]["appArmor"] == "unconfined"


@pytest.mark.parametrize("labels", [None, {}, {"dind.dev/environments": "disabled"}])
def test_a_closed_namespace_is_told_how_it_is_opened(labels: dict[str, str] | None) -> None:
    found = plan(observed(space={"metadata": {"name": "team-a", "labels": labels}}))
    assert found.actions == ()
    assert ready(found) == ("False", "NamespaceNotEnabled")
    message = condition(found.status, "Ready")["message"]
    assert "kubectl label namespace team-a dind.dev/environments=enabled" in message


def test_a_closed_namespace_is_served_when_the_label_is_not_asked_for() -> None:
    closed = observed(space=objects.namespace(labelled=False))
    assert plan(closed).actions == ()
    assert plan(closed, Policy(build=POLICY.build, require_namespace_label=False)).actions != ()


def test_a_namespace_that_was_not_seen_yet_is_not_called_closed() -> None:
    found = plan(Observed(environment(), None, None, None, None, NOW))
    assert found.actions == ()
    assert found.status is None
    assert found.requeue_after is not None


def test_a_closed_namespace_leaves_a_running_pod_alone() -> None:
    assert plan(observed(pod=running_pod(), space=objects.namespace(labelled=False))).actions == ()


def test_an_ending_namespace_is_left_to_end() -> None:
    assert plan(observed(space=objects.namespace(ending=True))) == NOTHING


@pytest.mark.parametrize("fields", [{}, {"operatingMode": "Suspended"}, {"daemon": {"nope": 1}}])
def test_a_pod_that_a_previous_environment_left_behind_ends(fields: dict[str, Any]) -> None:
    pod = running_pod()
    del pod["metadata"]["ownerReferences"]
    pod["metadata"]["annotations"]["dind.dev/environment-uid"] = "the previous one's"
    found = plan(observed(environment(fields), pod, node=node()))
    assert found.actions == (DeletePod(POD_UID),)
    assert ready(found) == ("False", "WaitingForPreviousPod")


@pytest.mark.parametrize("wrong", INVALID)
@pytest.mark.parametrize(
    "stop", [{"operatingMode": "Suspended"}, {"lifetime": {"ttl": "1m"}}], ids=["suspended", "ttl"]
)
def test_whatever_else_is_wrong_a_daemon_that_is_to_end_ends(wrong: dict[str, Any], stop: dict[str, Any]) -> None:
    made = World(environment({**wrong, **stop}), running_pod(), objects.namespace(), node())
    made.settle()
    made.pass_time(300)  # the ttl, the notice, and a minute
    made.settle()
    made.pass_time(61)
    made.settle()
    assert made.pod is not None
    assert made.pod["metadata"].get("deletionTimestamp")
    made.pod = None
    made.settle()
    assert condition(made.environment["status"], "Ready")["reason"] in ("Suspended", "TTLExpired")


def test_a_pod_on_a_node_that_is_gone_does_not_stay_terminating_for_an_invalid_spec() -> None:
    pod = running_pod()
    pod["metadata"]["deletionTimestamp"] = "2025-06-01T11:00:00Z"
    found = plan(observed(environment({"daemon": {"nope": 1}}), pod, node=NodeView("node-a", None)))
    assert found.actions == (DeletePod(POD_UID, force=True),)
    assert ready(found) == ("False", "InvalidSpec")


def test_an_invalid_spec_is_told_and_a_running_daemon_runs_on() -> None:
    broken = environment({"daemon": {"nope": 1}})
    assert ready(plan(observed(broken))) == ("False", "InvalidSpec")
    found = plan(observed(broken, running_pod(), node=node()))
    assert found.actions == ()
    assert ready(found) == ("True", "Ready")
    assert condition(found.status, "UpToDate")["reason"] == "InvalidSpec"
    assert "spec.daemon.nope" in condition(found.status, "UpToDate")["message"]


def test_an_unbuildable_spec_is_told_and_a_running_daemon_runs_on() -> None:
    small = environment({"daemon": {"resources": {"limits": {"memory": "100Mi"}}}})
    assert ready(plan(observed(small))) == ("False", "MemoryLimitTooLow")
    found = plan(observed(small, running_pod(), node=node()))
    assert found.actions == ()
    assert condition(found.status, "UpToDate")["reason"] == "MemoryLimitTooLow"


FORBIDDING = replace(POLICY, policy_rules=PolicyRules.model_validate({"modes": ["UserNamespace"], "images": []}))


def test_what_the_policy_forbids_gets_no_pod_and_all_of_it_is_told() -> None:
    env = environment({"daemon": {"image": "docker:28"}})
    found = plan(observed(env), FORBIDDING)
    assert (found.actions, ready(found)) == ((), ("False", "PolicyViolation"))
    message = condition(found.status, "Ready")["message"]
    assert "spec.daemon.image docker:28" in message
    assert "spec.security.mode Privileged" in message
    assert plan(observed(env)).actions != ()


def test_a_daemon_that_runs_when_it_is_forbidden_runs_on_and_is_the_last() -> None:
    found = plan(observed(environment(), running_pod(), node=node()), FORBIDDING)
    assert (found.actions, ready(found)) == ((), ("True", "Ready"))
    assert condition(found.status, "UpToDate")["reason"] == "PolicyViolation"
    assert [event.reason for event in found.events if event.warning] == ["PolicyViolation"]
    told = environment() | {"status": found.status}
    assert plan(observed(told, running_pod(), node=node()), FORBIDDING).events == ()
    over = plan(observed(environment(), failed_pod("Evicted"), node=node()), FORBIDDING)
    assert (over.actions, ready(over)) == ((), ("False", "PolicyViolation"))


def test_what_is_forbidden_can_be_suspended() -> None:
    suspended = environment({"operatingMode": "Suspended"})
    assert plan(observed(suspended, running_pod(), node=node()), FORBIDDING).actions == (DeletePod(POD_UID),)


def test_a_pod_of_an_earlier_environment_is_waited_for() -> None:
    old = running_pod()
    old["metadata"]["ownerReferences"][0]["uid"] = "earlier"
    found = plan(observed(pod=old))
    assert (found.actions, ready(found)) == ((), ("False", "WaitingForPreviousPod"))
    assert found.requeue_after is not None


def test_a_foreign_pod_is_a_conflict_with_a_remedy() -> None:
    foreign = running_pod()
    foreign["metadata"] |= {"ownerReferences": [], "annotations": {}}
    found = plan(observed(pod=foreign))
    assert (found.actions, ready(found)) == ((), ("False", "PodConflict"))
    # No watch tells when a pod without our label is gone.
    assert found.requeue_after == 15
    sooner = Periods(blocked_check_seconds=2)
    assert plan(replace(observed(pod=foreign), periods=sooner)).requeue_after == 2
    assert "Delete that pod" in condition(found.status, "Ready")["message"]


def test_suspending_deletes_the_pod_and_then_says_suspended() -> None:
    env = environment({"operatingMode": "Suspended"})
    first = plan(observed(env, running_pod()))
    assert first.actions == (DeletePod(POD_UID),)
    assert ready(first) == ("False", "Suspending")
    assert ready(plan(observed(env))) == ("False", "Suspended")


def test_suspending_keeps_what_is_known_of_a_failed_pod() -> None:
    found = plan(observed(environment({"operatingMode": "Suspended"}), failed_pod("Evicted"), node=node()))
    assert found.status_first
    assert found.status is not None
    assert found.status["lastFailure"]["reason"] == "Evicted"


def test_a_changed_spec_replaces_the_pod() -> None:
    found = plan(observed(environment(MEMORY), running_pod(), node=node()))
    assert found.actions == (DeletePod(POD_UID),)
    assert ready(found) == ("False", "SpecChanged")


def test_on_delete_waits_and_says_so() -> None:
    found = plan(observed(environment(MEMORY | {"updatePolicy": "OnDelete"}), running_pod(), node=node()))
    assert found.actions == ()
    assert ready(found) == ("True", "Ready")
    assert condition(found.status, "UpToDate")["reason"] == "SpecChanged"


def test_an_upgrade_of_the_operator_restarts_nobody() -> None:
    newer = Policy(build=objects.SETTINGS.__class__(daemon_image="d:2", node_tool_image="t:2"))
    found = plan(observed(pod=running_pod(), node=node()), newer)
    assert found.actions == ()
    assert condition(found.status, "UpToDate")["reason"] == "OperatorChanged"


def test_edited_labels_and_annotations_are_put_back_without_a_restart() -> None:
    pod = running_pod()
    pod["metadata"]["labels"] = {"app.kubernetes.io/name": "mine", "team": "a"}
    pod["metadata"]["annotations"]["dind.dev/intent-hash"] = "edited"
    (action,) = plan(observed(pod=pod, node=node())).actions
    assert isinstance(action, RepairMetadata)
    assert action.metadata["labels"]["app.kubernetes.io/name"] == "dind"
    assert "team" not in action.metadata["labels"]
    assert action.metadata["annotations"]["dind.dev/intent-hash"] == pods.variable(pod, "DIND_INTENT_HASH")


def test_a_refused_apparmor_profile_stops_the_loop() -> None:
    found = plan(observed(pod=failed_pod("AppArmor", "Cannot enforce AppArmor"), node=node()))
    assert found.actions == ()
    assert ready(found) == ("False", "AppArmorUnavailable")
    assert found.status is not None
    assert found.status["lastFailure"]["nodeBootID"] == "boot-1"


def test_a_refused_apparmor_profile_is_tried_again_after_a_reboot_of_the_node() -> None:
    world = World(environment(), failed_pod("AppArmor"), objects.namespace(), node())
    world.settle()
    assert world.done == []
    world.node = node(boot="boot-2")
    world.settle()
    assert [type(action) for action in world.done] == [DeletePod]


def test_a_refused_apparmor_profile_is_tried_again_when_the_spec_changes() -> None:
    world = World(environment(), failed_pod("AppArmor"), objects.namespace(), node())
    world.settle()
    world.environment["spec"] = {"security": {"appArmorProfile": {"type": "RuntimeDefault"}}}
    world.environment["metadata"]["generation"] = 2
    world.settle()
    assert [type(action) for action in world.done] == [DeletePod, CreatePod]


def test_a_pod_on_a_node_that_is_gone_is_replaced_by_force() -> None:
    found = plan(observed(pod=running_pod(), node=node(gone=True)))
    assert found.actions == (DeletePod(POD_UID, force=True),)
    assert found.status_first
    assert ready(found) == ("False", "NodeLost")


def test_a_pod_on_a_node_that_only_does_not_answer_is_never_forced() -> None:
    pod = running_pod()
    pod["metadata"]["deletionTimestamp"] = "2025-06-01T11:59:50Z"
    found = plan(observed(pod=pod, node=node(ready=False)))
    assert found.actions == ()
    assert ready(found) == ("False", "NodeLost")
    assert "out-of-service" in condition(found.status, "Ready")["message"]


def test_a_living_pod_on_a_node_that_does_not_answer_is_left_alone() -> None:
    pod = running_pod()
    pods_ready = next(item for item in pod["status"]["conditions"] if item["type"] == "Ready")
    pods_ready["status"] = "False"  # as the node lifecycle controller writes it
    found = plan(observed(pod=pod, node=node(ready=False)))
    assert found.actions == ()
    assert ready(found) == ("False", "NodeLost")


def test_the_time_of_the_next_attempt_outlives_the_pod_that_is_going() -> None:
    pod = running_pod()
    pod["metadata"]["deletionTimestamp"] = "2025-06-01T11:59:50Z"
    env = environment() | {
        "status": {"observedGeneration": 1, "recreateAfter": "2025-06-01T12:03:00Z", "recreations": 8}
    }
    found = plan(observed(env, pod, node=node()))
    assert found.status is not None
    assert found.status["recreateAfter"] == "2025-06-01T12:03:00Z"


def test_a_pod_that_fails_at_once_is_made_less_and_less_often() -> None:
    world = World(environment(), None, objects.namespace())
    start = world.now
    made: list[float] = []
    while world.now < start + timedelta(hours=1):
        before = world.created
        world.settle()
        if world.created > before:
            made.append((world.now - start).total_seconds())
        failed = world.pod is not None and world.pod["status"]["phase"] != "Failed"
        if failed:
            assert world.pod is not None
            objects.scheduled(world.pod)
            world.pod["status"] |= {"phase": "Failed", "reason": "OutOfcpu"}
            world.node = node()
        # The failure is an event, which arrives within a second. Without an event the operator looks again when the plan
        # asks for it; other changes make it look in between, here every ten seconds.
        wait = world.plan().requeue_after
        world.pass_time(1 if failed else min(10, max(1, wait or 10)))
    pauses = [later - earlier for earlier, later in itertools.pairwise(made)]
    assert pauses[0] <= 3
    assert max(pauses) <= 302
    assert len(made) < 25
    assert pauses == sorted(pauses)


def test_a_changed_spec_does_not_wait_for_the_backoff() -> None:
    after = (NOW + timedelta(minutes=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    env = environment(generation=1)
    env["status"] = {"observedGeneration": 1, "recreateAfter": after, "recreations": 9}
    waits = plan(observed(env))
    assert waits.actions == ()
    assert ready(waits) == ("False", "BackingOff")
    assert waits.requeue_after == pytest.approx(240)
    env["metadata"]["generation"] = 2
    assert plan(observed(env)).actions != ()


@pytest.mark.parametrize(("first", "after"), [(1, "2025-06-01T12:00:01Z"), (30, "2025-06-01T12:00:30Z")])
def test_the_first_wait_is_the_installations(first: int, after: str) -> None:
    periods = Periods(backoff=timedelta(seconds=first))
    found = plan(replace(observed(pod=failed_pod("Evicted")), periods=periods))
    assert found.status is not None
    assert found.status["recreateAfter"] == after


def test_a_changed_spec_forgets_the_backoff_although_the_operator_ends_half_way() -> None:
    env = environment(MEMORY)
    env["status"] = {"observedGeneration": 1, "recreateAfter": "2025-06-01T12:04:00Z", "recreations": 9}
    world = World(env, running_pod(), objects.namespace(), node())
    world.apply(world.plan(), only="first half")
    world.settle()
    assert [type(action) for action in world.done] == [DeletePod]
    world.pod = None  # the kubelet has confirmed it
    world.settle()
    assert [type(action) for action in world.done] == [DeletePod, CreatePod]


def test_the_same_failure_is_counted_once() -> None:
    world = World(environment(), failed_pod("Evicted"), objects.namespace(), node())
    found = world.plan()
    assert found.status is not None
    world.store(found.status)
    again = world.plan()
    assert again.status is not None
    assert (again.status["recreations"], again.status["recreateAfter"]) == (1, found.status["recreateAfter"])


def test_a_node_that_is_lost_after_a_good_while_starts_the_count_anew() -> None:
    env = environment() | {"status": {"observedGeneration": 1, "recreations": 5}}
    later = NOW + timedelta(hours=1)
    found = plan(observed(env, running_pod(), node=node(gone=True), now=later))
    assert found.status is not None
    assert found.status["recreations"] == 1


def test_the_reserve_is_shown_where_the_checks_found_a_limit() -> None:
    limited = plan(observed(pod=running_pod(), node=node()))
    free = running_pod()
    report = objects.PREFLIGHT | {"memory": {"limitBytes": None}}
    free["status"]["initContainerStatuses"] = [objects.init_done(report)]
    unlimited = plan(observed(pod=free, node=node()))
    assert limited.status is not None
    assert unlimited.status is not None
    assert (limited.status.get("reserveMemory"), unlimited.status.get("reserveMemory")) == ("256Mi", None)


def test_an_event_tells_of_a_change_and_is_not_repeated() -> None:
    world = World(environment(), running_pod(), objects.namespace(), node())
    first = world.plan()
    assert [(event.reason, event.warning) for event in first.events] == [("Ready", False)]
    world.apply(first)
    assert world.plan().events == ()
