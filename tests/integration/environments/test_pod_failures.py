"""Pods that are over: deleted, given up by the kubelet, evicted, on a node that is gone."""

import json

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.client import Object

LOCALHOST = {"security": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "dind-fine"}}}
UNSAFE = {"security": {"sysctls": [{"name": "net.core.somaxconn", "value": "1024"}]}}
NO_SYSCTL = 'Pod was rejected: forbidden sysctl: "net.core.somaxconn" not allowlisted'
NO_APPARMOR = "Cannot enforce AppArmor: AppArmor is not enabled on the host"


def test_a_deleted_pod_is_made_again(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """A pod that somebody deleted ends in order, and another follows at once: no failure, no backoff."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.delete_pod()
    going = space.wait_going()
    assert space.wait_reason("Terminating")["status"] == "False"
    kubelet.finish(going)
    kubelet.run(space.wait_pod(other_than=pod))
    status = space.wait_status(phase="Running")
    assert "recreateAfter" not in status
    assert "lastFailure" not in status


@pytest.mark.parametrize(
    ("reason", "message", "said"),
    [
        ("OutOfcpu", "Node didn't have enough resource: cpu", "PodFailed"),
        ("Evicted", "Usage of EmptyDir volume exceeds the limit", "Evicted"),
        ("NodeShutdown", "Pod was terminated in response to imminent node shutdown.", "PodFailed"),
    ],
)
def test_a_failed_pod_is_replaced(
    operator: RunningOperator, space: Space, kubelet: Kubelet, reason: str, message: str, said: str
) -> None:
    """lastFailure and the count are stored before the pod that is their evidence is deleted; the next waits its time."""
    space.create()
    pod = kubelet.fail(kubelet.run(space.wait_pod()), reason, message)
    space.wait_pod(other_than=pod)
    failure = space.status()["lastFailure"]
    assert (failure["reason"], failure["podUID"]) == (said, pod["metadata"]["uid"])
    assert message in failure["message"]
    assert failure["nodeName"] == kubelet.node
    assert space.status()["recreations"] == 1

    writes = operator.proxy.writes()
    told = next(i for i, call in enumerate(writes) if "lastFailure" in ((call.body or {}).get("status") or {}))
    deleted = next(i for i, call in enumerate(writes) if on("delete", "pods")(call))
    made = [i for i, call in enumerate(writes) if on("create", "pods")(call)]
    assert told < deleted < made[1], [str(call) for call in writes]
    assert (writes[deleted].body or {})["preconditions"] == {"uid": pod["metadata"]["uid"]}
    kubelet.run(space.wait_pod())
    assert space.wait_status(phase="Running")["lastFailure"] == failure, "it outlives the pod"


def test_pods_that_fail_in_a_row_wait_longer(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """Each failure doubles the wait, which status shows; a change of the spec ends it at once."""
    start(backoff_seconds=6).wait_ready()
    space.create()
    pod = None
    for count in (1, 2):
        pod = kubelet.fail(kubelet.bind(space.wait_pod(other_than=pod)), "OutOfcpu")
        space.wait_status(recreations=count)
    # The second wait is 12 s, far longer than a busy machine needs to see it and to make the change.
    space.wait_reason("BackingOff")
    status = space.status()
    assert status["phase"] == "Recovering"
    assert status["recreateAfter"] in space.condition()["message"]
    space.change({"daemon": {"logLevel": "Debug"}})
    after = space.wait_pod(other_than=pod)
    assert after["metadata"]["creationTimestamp"] < status["recreateAfter"]


def test_the_wait_outlives_the_operator(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """The backoff is in status: another operator waits for the rest of it and goes on counting."""
    first = start(backoff_seconds=10).wait_ready()
    space.create()
    pod = kubelet.fail(kubelet.bind(space.wait_pod()), "OutOfcpu")
    space.wait_reason("BackingOff")
    after = space.status()["recreateAfter"]
    first.kill()
    start(backoff_seconds=10).wait_ready()
    pod = space.wait_pod(other_than=pod)
    assert pod["metadata"]["creationTimestamp"] >= after
    kubelet.fail(kubelet.bind(pod), "OutOfcpu")
    space.wait_status(recreations=2)


@pytest.mark.parametrize(
    ("fields", "kubelets", "message", "reason"),
    [
        (LOCALHOST, "AppArmor", NO_APPARMOR, "AppArmorUnavailable"),
        (UNSAFE, "SysctlForbidden", NO_SYSCTL, "SysctlForbidden"),
    ],
)
def test_what_the_kubelet_refuses_is_no_loop(
    start: Operators, space: Space, kubelet: Kubelet, fields: Object, kubelets: str, message: str, reason: str
) -> None:
    """A refusal that would repeat is a condition, and stays one over resyncs; another spec gets another pod."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=fields)
    pod = kubelet.fail(kubelet.bind(space.wait_pod()), kubelets, message)
    told = space.wait_told(reason)
    assert told["status"] == "False"
    assert message in told["message"]
    assert space.status()["lastFailure"]["reason"] == reason
    before = len(operator.proxy.writes())
    operator.wait_resyncs(3)
    assert operator.proxy.count(on("create", "pods")) == 1
    assert operator.proxy.writes()[before:] == []
    space.change({"security": {"appArmorProfile": {"type": "Unconfined", "localhostProfile": None}, "sysctls": None}})
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")


def test_a_rebooted_node_gets_another_try(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """After a reboot the node may have what it lacked: the pod is replaced once, and refused again it stays."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create(spec=LOCALHOST)
    pod = kubelet.fail(kubelet.bind(space.wait_pod()), "AppArmor", NO_APPARMOR)
    space.wait_reason("AppArmorUnavailable")
    kubelet.reboot()
    second = kubelet.fail(kubelet.bind(space.wait_pod(other_than=pod)), "AppArmor", NO_APPARMOR)
    space.wait_status_that(
        lambda status: status["lastFailure"]["podUID"] == second["metadata"]["uid"], "the second refusal"
    )
    operator.wait_resyncs(2)
    assert operator.proxy.count(on("create", "pods")) == 2


def test_a_failed_check_is_told_in_its_own_words(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """The preflight's sentence is the condition's, under the check's own reason; the daemon never ran."""
    space.create()
    sentence = "The controller memory is missing on this node: enable it on the kernel's command line."
    report = {
        "version": 1,
        "ok": False,
        "error": {"check": "Cgroups", "reason": "ControllerMissing", "message": sentence},
    }
    kubelet.check(kubelet.bind(space.wait_pod()), report, code=1)
    assert space.wait_reason("ControllerMissing")["message"] == sentence
    assert space.wait_reason("ControllerMissing", "CgroupsMounted")["status"] == "False"
    failure = space.wait_status(phase="Failed")["lastFailure"]
    assert (failure["reason"], failure["exitCode"]) == ("ControllerMissing", 1)
    assert json.dumps(report) not in json.dumps(space.status())


def test_a_pod_on_a_node_that_is_gone_is_made_elsewhere(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    """Nobody will ever confirm the end of a pod whose node was deleted: it is deleted without waiting."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    kubelet.remove()
    space.delete_pod()
    space.wait_pod(other_than=pod)
    forced = [call for call in operator.proxy.writes() if on("delete", "pods")(call)]
    assert [(call.body or {}).get("gracePeriodSeconds") for call in forced] == [0]


def test_a_lost_node_may_come_back(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """A node that only does not answer may still run the daemon: told, not force-deleted, until it is tainted."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    kubelet.lose()
    assert space.wait_reason("NodeLost")["status"] == "False"
    space.delete_pod()
    space.wait_going()
    space.wait_reason("NodeLost")
    assert operator.proxy.count(on("delete", "pods")) == 0
    kubelet.taint_out_of_service()
    space.touch()
    space.wait_pod(other_than=pod)
    forced = [call for call in operator.proxy.writes() if on("delete", "pods")(call)]
    assert [(call.body or {}).get("gracePeriodSeconds") for call in forced] == [0]
