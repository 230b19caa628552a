"""What tests wait for is the installation's to set: each setting reaches the operator that works, and the pod."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import pods
from tests.integration.harness.space import Space

FOREIGN = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one"},
    "spec": {"containers": [{"name": "theirs", "image": "theirs"}]},
}


def test_a_minute_to_live_takes_as_long_as_the_minute_is(start: Operators, space: Space, kubelet: Kubelet) -> None:
    start(minute_seconds=2).wait_ready()
    space.create(spec={"lifetime": {"ttl": "2m"}})
    pod = kubelet.run(space.wait_pod())
    assert {"name": "DIND_MINUTE_SECONDS", "value": "2"} in pod["spec"]["containers"][0]["env"]
    created = datetime.fromisoformat((space.environment() or {})["metadata"]["creationTimestamp"])
    space.wait_going()
    assert timedelta(seconds=4) <= datetime.now(UTC) - created
    assert [event["reason"] for event in space.events()].count("ExpiresSoon") == 1


def test_what_no_watch_reports_is_checked_as_often_as_is_set(start: Operators, space: Space) -> None:
    start(blocked_check_seconds=1).wait_ready()
    theirs = space.api.create(pods(space.name), FOREIGN)
    space.create()
    space.wait_reason("PodConflict")
    space.delete_pod()
    # With the default it would take up to 15 seconds, and no resync comes here.
    ours = space.api.wait(pods(space.name), "one", bool, "a pod of our own", seconds=8) or {}
    assert ours["metadata"]["uid"] != theirs["metadata"]["uid"]


def test_the_wait_after_the_first_failure_is_as_long_as_is_set(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    start(backoff_seconds=100).wait_ready()
    space.create()
    began = datetime.now(UTC)
    kubelet.fail(kubelet.bind(space.wait_pod()), "OutOfcpu")
    space.wait_reason("BackingOff")
    after = datetime.fromisoformat(space.status()["recreateAfter"])
    assert timedelta(seconds=99) <= after - began < timedelta(seconds=130)
