"""Namespaces that are closed, opened, or going away."""

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.helm import Helm
from tests.integration.environments.conftest import Operators
from tests.integration.harness import account
from tests.integration.harness.calls import Answer, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import pods
from tests.integration.harness.running import RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.client import ApiError
from tests.kube.eventually import eventually

LABEL = "dind.dev/environments"


def test_a_namespace_must_be_opened(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Without the label a condition says what to do and no pod is made; the label alone brings the pod, at once."""
    space.label({LABEL: None})
    space.create()
    told = space.wait_reason("NamespaceNotEnabled")
    assert told["status"] == "False"
    assert f"kubectl label namespace {space.name} {LABEL}=enabled" in told["message"]
    assert operator.proxy.count(on("create", "pods")) == 0
    space.label({LABEL: "enabled"})
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")


def test_a_namespace_that_is_closed_again(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """What runs goes on: closing a namespace makes no new pods and kills none."""
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.label({LABEL: None})
    space.wait_reason("NamespaceNotEnabled")
    now = space.pod()
    assert now is not None
    assert "deletionTimestamp" not in now["metadata"]
    space.delete_pod()
    kubelet.finish(space.wait_going())
    space.create("two")
    space.wait_reason("NamespaceNotEnabled", name="two")
    assert space.pod() is None
    assert operator.proxy.count(on("create", "pods")) == 1
    assert pod["metadata"]["uid"] == now["metadata"]["uid"]


def test_the_demand_can_be_turned_off(
    plane: ControlPlane, api: Api, helm: Helm, start: Operators, space: Space
) -> None:
    """The chart's value requireNamespaceLabel: false serves every namespace."""
    space.label({LABEL: None})
    with account.installed(plane, api, helm, "every", requireNamespaceLabel=False) as token:
        operator = start(token=token, require_namespace_label=False).wait_ready()
        space.create()
        space.wait_pod()
        operator.stop()


def test_a_namespace_with_environments_is_deleted(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Its pods go before its environments: none is made again, nothing loops, and the namespace really goes."""
    names = [f"env-{number}" for number in range(5)]
    for name in names:
        space.create(name)
    for name in names:
        kubelet.run(space.wait_pod(name))
    for name in names:
        space.wait_told("Ready", name=name)
    before = len(operator.proxy.writes())
    space.api.delete(space.path)

    with kubelet.serving(space.name):
        space.wait("/api/v1/namespaces", space.name, lambda found: found is None, "gone")
    assert [str(call) for call in operator.proxy.writes()[before:] if call.resource == "pods"] == []
    assert operator.http("/livez")[0] == 200


def test_a_refusal_for_a_terminating_namespace_ends_it(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    """The watch may tell late that the namespace is going; the API server's refusal is taken as the end, not retried.

    Its words are those it has for a pod in a namespace that really is terminating.
    """
    going = Space(space.api, f"{space.name}-going")
    going.open()
    going.api.create(f"{going.path}/configmaps", {"metadata": {"name": "held", "finalizers": ["dind.dev/test"]}})
    going.api.delete(going.path)
    with pytest.raises(ApiError) as refusal:
        going.api.create(
            pods(going.name), {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        )
    going.api.patch(f"{going.path}/configmaps/held", {"metadata": {"finalizers": None}})
    assert refusal.value.code == 403

    words = Answer(403, text=refusal.value.text)
    fault = operator.proxy.fault(
        lambda call: on("create", "pods")(call) and (call.body or {})["metadata"]["name"] == "one", words, times=None
    )
    space.create()
    eventually(lambda: fault.hits, "the refusal")
    # Another one's whole life is longer than the first pause before a retry.
    space.create("two")
    pod = kubelet.run(space.wait_pod("two"))
    space.wait_reason("Ready", name="two")
    space.delete_pod("two")
    kubelet.finish(space.wait_going("two"))
    kubelet.run(space.wait_pod("two", other_than=pod))
    space.wait_reason("Ready", name="two")
    assert len(fault.hits) == 1, "it was tried again"
    assert space.condition()["reason"] == "Pending", "there is nobody left to tell"


def test_a_pod_before_its_service_account(operator: RunningOperator, space: Space) -> None:
    """A new namespace's service account comes a moment after it; the API server's refusal until then is tried again."""
    sentence = f'pods "one" is forbidden: error looking up service account {space.name}/default: not found'
    fault = operator.proxy.fault(on("create", "pods"), Answer(403, "Forbidden", sentence), times=2)
    space.create()
    space.wait_pod()
    assert len(fault.hits) == 2
