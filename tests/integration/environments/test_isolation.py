"""What the pod's helper found out about nested containers becomes a condition."""

from __future__ import annotations

import json

from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import ISOLATION_REPORT, Kubelet
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space

REFUSED = {"version": 1, "inside": None, "detail": "runc: namespace does not exist", "startRefused": True}
OUTSIDE = {"version": 1, "inside": False, "detail": "memory:/../docker/x"}


def test_a_container_outside_the_pod_is_told_with_an_event(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    space.create()
    pod = kubelet.start(kubelet.check(kubelet.bind(space.wait_pod())))
    kubelet.ready(pod, isolation=OUTSIDE)
    found = space.wait_reason("IsolationFailed", "IsolationVerified")
    assert found["status"] == "False"
    assert "memory:/../docker/x" in found["message"]
    (event,) = space.wait_event("IsolationFailed")
    assert event["type"] == "Warning"


def test_a_daemon_that_can_start_no_container_is_not_ready_until_it_can(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    start(volume_check_seconds=1).wait_ready()
    space.create()
    pod = kubelet.start(kubelet.check(kubelet.bind(space.wait_pod())))
    kubelet.ready(pod, isolation=REFUSED)
    assert "does not exist" in space.wait_reason("ContainersCannotStart")["message"]
    (event,) = space.wait_event("ContainersCannotStart")
    assert event["type"] == "Warning"
    kubelet.logs[pod["metadata"]["name"]] += f"dind-isolation {json.dumps(ISOLATION_REPORT)}\n"
    space.wait_reason("Ready")
    space.wait_reason("IsolationVerified", "IsolationVerified")


def test_the_line_may_come_later_than_the_versions(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create()
    pod = kubelet.ready(kubelet.start(kubelet.check(kubelet.bind(space.wait_pod()))), isolation=None)
    space.wait_status_that(lambda status: status.get("docker"), "the versions")
    assert not [item for item in space.status()["conditions"] if item["type"] == "IsolationVerified"]
    # No event tells of a line in a log: the operator looks again by itself.
    kubelet.logs[pod["metadata"]["name"]] += f"dind-isolation {json.dumps(ISOLATION_REPORT)}\n"
    assert space.wait_reason("IsolationVerified", "IsolationVerified")["status"] == "True"
