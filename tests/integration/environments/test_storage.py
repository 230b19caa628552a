"""The docker volume before a real API server: what it stores of each kind, and what is told of a full one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import REPORT, Kubelet
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.eventually import eventually

CLAIM = {"storage": {"ephemeral": {"volumeClaimTemplate": {"spec": {"resources": {"requests": {"storage": "1Gi"}}}}}}}
MIB = 2**20


def at(path: str) -> dict[str, Any]:
    return {"storage": {"hostPath": {"path": path}}}


def says(kubelet: Kubelet, full: bool, used: Any = 310 * MIB) -> None:
    line = {"version": 1, "full": full, "usedBytes": used, "limitBytes": 320 * MIB, "usedInodes": 0, "limitInodes": 0}
    kubelet.logs["one"] += f"dind-volume {json.dumps(line)}\nsomething else\n"


def looks(operator: RunningOperator) -> int:
    """How often a log was read."""
    return operator.proxy.count(lambda call: call.resource == "pods/log")


def storage(space: Space) -> tuple[str, str]:
    condition = space.condition("StorageHealthy")
    return condition.get("status", ""), condition.get("reason", "")


def test_a_full_volume_is_told_and_so_is_the_room_with_one_write_each(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    operator = start(volume_check_seconds=1).wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.wait_status_that(lambda status: "docker" in status, "the versions")
    says(kubelet, True)
    told = space.wait_reason("DiskFull", "StorageHealthy")
    assert "310Mi of 320Mi are used" in told["message"]
    assert space.condition()["status"] == "True"
    space.wait_event("DiskFull")
    # Looked at again and again, and nothing is written.
    version = (space.environment() or {})["metadata"]["resourceVersion"]
    looked = looks(operator)
    eventually(lambda: looks(operator) >= looked + 3, "three more looks")
    assert (space.environment() or {})["metadata"]["resourceVersion"] == version
    says(kubelet, False, 10 * MIB)
    space.wait_reason("StorageHealthy", "StorageHealthy")
    assert storage(space) == ("True", "StorageHealthy")
    assert [event["reason"] for event in space.events()].count("DiskFull") == 1


@pytest.mark.parametrize("lie", ["no json", "[]", '{"full":"yes"}', '{"full":true,"usedBytes":-1,"limitBytes":1e99}'])
def test_what_a_tenant_writes_into_the_log_is_no_report(
    start: Operators, space: Space, kubelet: Kubelet, lie: str
) -> None:
    operator = start(volume_check_seconds=1).wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    kubelet.logs["one"] += f"dind-volume {lie}\n"
    looked = looks(operator)
    eventually(lambda: looks(operator) >= looked + 3, "three more looks")
    assert storage(space) == ("True", "StorageHealthy")
    says(kubelet, True)
    space.wait_reason("DiskFull", "StorageHealthy")


def test_an_installation_may_leave_the_looks_out(start: Operators, space: Space, kubelet: Kubelet) -> None:
    operator = start(volume_check_seconds=0, resync_seconds=OFTEN).wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_status_that(lambda status: "docker" in status, "the versions")
    says(kubelet, True)
    looked = looks(operator)
    operator.wait_resyncs(3)
    assert looks(operator) == looked
    assert storage(space) == ("True", "StorageHealthy")


def test_the_pod_with_a_claim_is_accepted_and_waits_for_its_volume(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    space.create(spec=CLAIM)
    pod = space.wait_pod()
    (volume,) = [item for item in pod["spec"]["volumes"] if item["name"] == "docker-data"]
    template = volume["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert (template["accessModes"], template["volumeMode"]) == (["ReadWriteOnce"], "Filesystem")
    # What the scheduler says.
    message = "0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind."
    unbound = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    path = f"/api/v1/namespaces/{space.name}/pods/one/status"
    space.api.patch(path, {"status": {"conditions": [unbound]}})
    told = space.wait_reason("Unschedulable", "PodScheduled")
    assert told["status"] == "False"
    assert "persistent volumes to bind" in told["message"]
    assert "spec.storage" in told["message"]
    kubelet.run(pod)
    space.wait_reason("Ready")


def test_a_folder_of_the_node_needs_an_installation_that_allows_it(start: Operators, space: Space) -> None:
    first = start().wait_ready()
    space.create(spec=at("/srv/dind/a"))
    told = space.wait_reason("HostPathNotAllowed")
    assert "hostPath.allowedPrefixes" in told["message"]
    assert space.pod() is None
    first.stop()
    start(host_path_prefixes=("/srv/dind",)).wait_ready()
    pod = space.wait_pod()
    (volume,) = [item for item in pod["spec"]["volumes"] if item["name"] == "docker-data"]
    assert volume["hostPath"] == {"path": "/srv/dind", "type": "DirectoryOrCreate"}


def test_the_second_environment_of_a_folder_gets_its_pod_when_the_first_is_gone(
    start: Operators, space: Space, kubelet: Kubelet
) -> None:
    start(host_path_prefixes=("/srv/dind",), blocked_check_seconds=1).wait_ready()
    space.create(spec=at("/srv/dind/a"))
    kubelet.run(space.wait_pod())
    space.create("two", spec=at("/srv/dind/a"))
    space.create("three", spec=at("/srv/dind/b"))
    space.wait_pod("three")
    told = space.wait_reason("HostPathInUse", name="two")
    assert f"{space.name}/one" in told["message"]
    assert space.pod("two") is None
    space.remove()
    kubelet.finish(space.wait_going())
    space.wait_pod("two")


def test_what_the_check_says_of_the_folder_is_the_condition(start: Operators, space: Space, kubelet: Kubelet) -> None:
    start(host_path_prefixes=("/srv/dind",)).wait_ready()
    space.create(spec=at("/srv/dind/a"))
    error = {"check": "Storage", "reason": "HostPathIsSymlink", "message": "It is a link."}
    kubelet.check(kubelet.bind(space.wait_pod()), {**REPORT, "ok": False, "error": error}, code=1)
    assert space.wait_reason("HostPathIsSymlink")["message"] == error["message"]
    assert space.wait_reason("HostPathIsSymlink", kind="StorageHealthy")["status"] == "False"
