"""A spec that changed, an operator that changed, and hands that edit what is ours."""

import json

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space
from tests.kube.client import Object

MANAGED = "app.kubernetes.io/managed-by"


def test_recreate_replaces_the_pod(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """A change of the user's intent deletes the pod in order, and the next has it; nothing counts as a failure."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.change({"daemon": {"logLevel": "Debug"}})
    kubelet.finish(space.wait_going())
    after = kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")
    environment = {item["name"]: item.get("value") for item in after["spec"]["containers"][0]["env"]}
    assert '"log-level":"debug"' in environment["DIND_NODE_CONFIG"]
    status = space.status()
    assert "recreations" not in status
    assert "lastFailure" not in status


def test_on_delete_waits_and_says_so(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """The pod goes on with the old settings, UpToDate is False, Ready stays True; the next pod has the new ones."""
    space.create(spec={"updatePolicy": "OnDelete"})
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.change({"daemon": {"logLevel": "Debug"}})
    assert space.wait_reason("SpecChanged", "UpToDate")["status"] == "False"
    assert space.wait_reason("Ready")["status"] == "True"
    assert operator.proxy.count(on("delete", "pods")) == 0
    space.delete_pod()
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("UpToDate", "UpToDate")


def test_what_is_no_intent_replaces_nothing(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """A default written out and another updatePolicy are a new generation and the same pod."""
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.change({"updatePolicy": "OnDelete", "daemon": {"logLevel": "Info"}, "storage": {"emptyDir": {"medium": ""}}})
    space.wait_reason("Ready")  # of the new generation
    space.change({"updatePolicy": "Recreate"})
    space.wait_reason("Ready")
    space.wait_reason("UpToDate", "UpToDate")
    assert operator.proxy.count(on("delete", "pods")) == 0


def test_a_limit_of_the_namespaces_is_reserved_from(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """The LimitRange's default reaches the pod alone: what is held back of it is in the pod, and status says so."""
    limits = [{"type": "Container", "default": {"memory": "1Gi"}}]
    body = {"metadata": {"name": "defaults"}, "spec": {"limits": limits}}
    space.api.create(f"{space.path}/limitranges", body)
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    variables = {item["name"]: item.get("value") for item in pod["spec"]["containers"][0]["env"]}
    assert json.loads(variables["DIND_NODE_CONFIG"])["reserveBytes"] == 256 * 2**20
    assert space.condition("CgroupsMounted")["reason"] == "CgroupsMounted"
    assert space.status()["reserveMemory"] == "256Mi"


def test_an_upgraded_operator_restarts_nobody(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """Other images of the installation: the pod stays, UpToDate says OperatorChanged, the next pod has them."""
    first = start().wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    first.stop()
    second = start(node_tool_image="images.test/node-tool:2").wait_ready()
    assert space.wait_reason("OperatorChanged", "UpToDate")["status"] == "False"
    assert space.condition()["status"] == "True"
    assert second.proxy.count(on("delete", "pods")) == 0
    space.delete_pod()
    kubelet.finish(space.wait_going())
    after = space.wait_pod(other_than=pod)
    assert after["spec"]["initContainers"][0]["image"] == "images.test/node-tool:2"
    space.wait_reason("UpToDate", "UpToDate")


@pytest.mark.parametrize(
    "edit",
    [
        {"labels": {"dind.dev/environment": "another"}},
        {"labels": {"app.kubernetes.io/name": None}},
        {"annotations": {"dind.dev/intent-hash": "0000000000000000"}},
        {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": None, "dind.dev/environment-uid": "x"}},
    ],
    ids=["label-edited", "label-removed", "hash-edited", "annotations-edited"],
)
def test_edited_metadata_is_put_back(
    operator: RunningOperator, space: Space, kubelet: Kubelet, edit: dict[str, dict[str, str | None]]
) -> None:
    """Labels and annotations of ours are repaired in the same pod; those of others stay."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.edit_pod({"labels": {"theirs": "stays"}})
    space.edit_pod(edit)
    (kind,) = edit

    def repaired(now: Object) -> bool:
        return all(now["metadata"][kind].get(key) == pod["metadata"][kind][key] for key in edit[kind])

    now = space.wait_pod_that(repaired, "repaired")
    assert now["metadata"]["uid"] == pod["metadata"]["uid"]
    assert now["metadata"]["labels"]["theirs"] == "stays"
    space.wait_reason("UpToDate", "UpToDate")


@pytest.mark.parametrize("value", [None, "somebody"])
def test_a_pod_that_leaves_the_watch_is_found_again(
    operator: RunningOperator, space: Space, kubelet: Kubelet, value: str | None
) -> None:
    """Without our label the pod vanishes from the watch as if deleted: it is recognised as ours, repaired, not doubled."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.edit_pod({"labels": {MANAGED: value}})
    now = space.wait_pod_that(lambda found: found["metadata"]["labels"].get(MANAGED) == "dind-operator", "repaired")
    assert now["metadata"]["uid"] == pod["metadata"]["uid"]
    space.wait_reason("Ready")
    # It is in the watch again: what happens to it is seen.
    space.delete_pod()
    kubelet.finish(space.wait_going())
    space.wait_pod(other_than=pod)
