"""The complete status: what is kept, what goes, and whose facts they are."""

from datetime import timedelta
from typing import Any

from tests.unit.objects import (
    NOW,
    POD_UID,
    condition,
    container,
    environment,
    failed_pod,
    node,
    observed,
    running_pod,
    set_containers,
    terminated,
)

from dind_operator.api.conditions import Reason
from dind_operator.api.status import Phase
from dind_operator.controller.status import build_status, failure_fields, surviving
from dind_operator.state.assessment import Assessment, Condition, waiting
from dind_operator.state.node_reports import DaemonReport
from dind_operator.state.observed import Observed
from dind_operator.state.pod_failures import Failure

READY = Assessment(Phase.RUNNING, Condition.true(Reason.READY, "It answers."))
REPORT = DaemonReport(serverVersion="26.1.5", storageDriver="overlay2")


def with_status(status: dict[str, Any]) -> dict[str, Any]:
    return environment() | {"status": status}


def test_what_the_verdict_leaves_out_is_unknown_for_the_same_reason() -> None:
    status = build_status(observed(), waiting(Phase.PENDING, Reason.POD_PENDING, "soon"))
    assert [item["type"] for item in status["conditions"]] == [
        "Ready",
        "PodScheduled",
        "CgroupsMounted",
        "StorageHealthy",
        "DaemonReady",
        "UpToDate",
        "EndpointReady",
        "Reconciling",
    ]
    storage = condition(status, "StorageHealthy")
    assert (storage["status"], storage["reason"]) == ("Unknown", "PodPending")


def test_a_transition_time_changes_only_with_the_status() -> None:
    first = build_status(observed(), READY)
    later = build_status(observed(with_status(first), now=NOW + timedelta(hours=1)), READY)
    assert condition(later, "Ready")["lastTransitionTime"] == condition(first, "Ready")["lastTransitionTime"]
    lost = build_status(
        observed(with_status(first), now=NOW + timedelta(hours=1)), waiting(Phase.PENDING, Reason.POD_PENDING, "x")
    )
    assert condition(lost, "Ready")["lastTransitionTime"] == "2025-06-01T13:00:00Z"


def test_facts_of_the_pod_are_there_while_the_pod_is() -> None:
    status = build_status(observed(pod=running_pod(), node=node(), daemon=REPORT), READY)
    assert status["podName"] == "builder"
    assert status["docker"] == {"serverVersion": "26.1.5", "storageDriver": "overlay2"}
    assert status["node"]["kernelVersion"] == "6.12.0"
    kept = build_status(observed(with_status(status), running_pod()), READY)
    assert (kept["docker"], kept["node"]) == (status["docker"], status["node"])
    gone = build_status(observed(with_status(status)), READY)
    assert not {"podName", "podUID", "nodeName", "docker", "node", "restarts", "daemonImage"} & gone.keys()


def test_the_endpoint_is_named_while_the_daemon_is_ready() -> None:
    assert build_status(observed(pod=running_pod()), READY)["endpoint"] == "unix:///run/dind/docker.sock"
    busy = running_pod()
    busy["status"]["containerStatuses"][0]["ready"] = False
    assert "endpoint" not in build_status(observed(pod=busy), READY)
    assert "endpoint" not in build_status(observed(), READY)


def test_facts_of_another_pod_are_not_kept() -> None:
    status = build_status(observed(pod=running_pod(), node=node(), daemon=REPORT), READY)
    other = running_pod()
    other["metadata"]["uid"] = "other"
    found = build_status(observed(with_status(status), other), READY)
    assert "docker" not in found
    assert "node" not in found


def test_nothing_is_said_of_a_foreign_pod() -> None:
    foreign = running_pod()
    foreign["metadata"]["ownerReferences"][0]["uid"] = "other"
    assert "podName" not in build_status(observed(pod=foreign, node=node(), daemon=REPORT), READY)


def test_conditions_of_another_hand_go() -> None:
    foreign = {
        "type": "Foreign",
        "status": "True",
        "reason": "X",
        "message": "m",
        "lastTransitionTime": "2025-01-01T00:00:00Z",
    }
    found = build_status(observed(with_status({"conditions": [foreign, {"nonsense": 1}]})), READY)
    assert "Foreign" not in [item["type"] for item in found["conditions"]]


def test_the_last_failure_outlives_the_pod() -> None:
    failure = {"reason": "Evicted", "podUID": "old"}
    assert build_status(observed(with_status({"lastFailure": failure})), READY)["lastFailure"] == failure


def test_none_removes_a_field() -> None:
    assert "recreateAfter" not in build_status(observed(), READY, {"recreateAfter": None})


def fields(
    pod: dict[str, Any], failure: Failure, status: dict[str, Any] | None = None, seen: Observed | None = None
) -> dict[str, Any]:
    return failure_fields(failure, seen or observed(with_status(status or {}), pod, node=node()), pod)


def test_a_failure_names_pod_node_and_boot() -> None:
    found = fields(failed_pod("Evicted"), Failure(Reason.EVICTED, "m"))
    assert found == {
        "reason": "Evicted",
        "message": "m",
        "time": "2025-06-01T12:00:00Z",
        "podName": "builder",
        "podUID": POD_UID,
        "nodeName": "node-a",
        "nodeBootID": "boot-1",
    }


def test_a_containers_end_is_the_time_of_its_failure() -> None:
    pod = set_containers(running_pod(), None, container("daemon", terminated(1, finished="2025-06-01T11:58:00Z")))
    assert fields(pod, Failure(Reason.DAEMON_FAILED, "m", 1))["time"] == "2025-06-01T11:58:00Z"


def test_an_end_without_an_error_has_its_time_too() -> None:
    pod = set_containers(running_pod(), None, container("daemon", terminated(0, finished="2025-06-01T11:58:00Z")))
    assert fields(pod, Failure(Reason.DAEMON_CRASH_LOOP, "m", 0))["time"] == "2025-06-01T11:58:00Z"


def test_an_eviction_did_not_happen_when_the_daemon_last_restarted() -> None:
    daemon = container("daemon", {}, lastState=terminated(1, finished="2025-05-01T00:00:00Z"))
    pod = set_containers(failed_pod("Evicted"), None, daemon)
    assert fields(pod, Failure(Reason.EVICTED, "m"))["time"] == "2025-06-01T12:00:00Z"


def test_the_same_failure_is_not_written_again() -> None:
    pod, failure = failed_pod("Evicted"), Failure(Reason.EVICTED, "m")
    first = fields(pod, failure)
    later = observed(with_status({"lastFailure": first}), pod, node=node(boot="boot-2"), now=NOW + timedelta(hours=1))
    assert fields(pod, failure, seen=later) == first


def test_the_next_end_of_the_same_kind_is() -> None:
    pod = set_containers(running_pod(), None, container("daemon", terminated(1, finished="2025-06-01T11:58:00Z")))
    first = fields(pod, Failure(Reason.DAEMON_FAILED, "m", 1))
    set_containers(pod, None, container("daemon", terminated(1, finished="2025-06-01T11:59:00Z")))
    assert fields(pod, Failure(Reason.DAEMON_FAILED, "m", 1), {"lastFailure": first})["time"] == "2025-06-01T11:59:00Z"


def test_only_what_outlives_a_pod_is_stored_before_it_goes() -> None:
    old = {"phase": "Running", "conditions": [1], "recreateAfter": "t0", "recreations": 1}
    new = {"phase": "Recovering", "conditions": [2], "recreations": 2, "lastFailure": {"reason": "Evicted"}}
    assert surviving(old, new) == {
        "phase": "Running",
        "conditions": [1],
        "recreations": 2,
        "lastFailure": {"reason": "Evicted"},
    }
