"""Reading a pod before, while and after the kubelet writes its status."""

from datetime import timedelta
from typing import Any

import pytest
from tests.unit import objects
from tests.unit.objects import NOW, container, terminated

from dind_operator.state import pod_status as pods


@pytest.mark.parametrize(
    "status", [None, {}, {"conditions": None, "containerStatuses": None, "initContainerStatuses": None}]
)
def test_a_pod_that_nobody_looked_at_reads_as_empty(status: dict[str, Any] | None) -> None:
    pod = objects.pod()
    del pod["status"]
    if status is not None:
        pod["status"] = status
    assert pods.phase(pod) == "Pending"
    assert not pods.ended(pod)
    assert not pods.is_ready(pod)
    assert (pods.daemon(pod), pods.condition(pod, "Ready"), pods.preflight(pod), pods.ran_for(pod, NOW)) == (
        {},
        {},
        None,
        None,
    )
    assert (pods.status_reason(pod), pods.status_message(pod), pods.node_name(pod)) == ("", "", None)


@pytest.mark.parametrize(
    ("phase", "over"),
    [("Pending", False), ("Running", False), ("Unknown", False), ("Failed", True), ("Succeeded", True)],
)
def test_when_a_pod_is_over(phase: str, over: bool) -> None:
    pod = objects.pod()
    pod["status"]["phase"] = phase
    assert pods.ended(pod) is over


def test_the_present_end_comes_before_the_one_before_the_restart() -> None:
    status = container("daemon", terminated(2), lastState=terminated(1))
    assert pods.last_end(status)["exitCode"] == 2
    assert pods.last_end(status | {"state": {"running": {}}})["exitCode"] == 1
    assert pods.last_end({}) == {}


def test_how_long_the_daemon_ran() -> None:
    pod = objects.running_pod()
    assert pods.ran_for(pod, NOW) == timedelta(seconds=55), "it runs, on a node that may be lost"
    pod["status"]["containerStatuses"] = [container("daemon", terminated(1, finished="2025-06-01T12:09:10Z"))]
    assert pods.ran_for(pod, NOW) == timedelta(minutes=10)


def test_a_memory_limit_is_what_the_checks_found() -> None:
    assert not pods.memory_limited(objects.pod())
    assert pods.memory_limited(objects.running_pod())


def test_a_kubelets_sentence_is_bounded() -> None:
    pod = objects.failed_pod("Evicted", "x" * 100_000)
    assert len(pods.status_message(pod)) == 500


def test_variables_are_read_from_the_daemon_only() -> None:
    pod = objects.pod()
    assert pods.variable(pod, "DIND_INTENT_HASH")
    assert pods.variable(pod, "NONE") is None
    pod["spec"]["containers"] = [
        {"name": "other", "env": [{"name": "DIND_INTENT_HASH", "value": "x"}]},
        {"name": "daemon"},
    ]
    assert pods.variable(pod, "DIND_INTENT_HASH") is None
