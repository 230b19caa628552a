"""The security modes before a real API server: what it stores of each pod, and what is told when something is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import REPORT, Kubelet
from tests.integration.harness.paths import pods
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.client import ApiError, Object
from tests.live import condition

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
USER_NAMESPACE = {"security": {"mode": "UserNamespace"}}
CAPABILITIES = {"security": {"mode": "Capabilities"}}
ADDED = ["NET_ADMIN", "NET_RAW", "SYS_ADMIN"]


@contextmanager
def made(api: Api, name: str) -> Iterator[None]:
    api.create(CLASSES, {"metadata": {"name": name}, "handler": "dind"})
    try:
        yield
    finally:
        api.delete(f"{CLASSES}/{name}")


@pytest.fixture
def runtime_class(api: Api) -> Iterator[None]:
    """The RuntimeClass that the installation takes when an environment names none."""
    with made(api, "dind"):
        yield


def contexts(pod: Object) -> list[Object]:
    return [item["securityContext"] for item in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]]


def test_the_pod_with_capabilities_is_accepted(operator: RunningOperator, space: Space) -> None:
    space.create(spec=CAPABILITIES)
    pod = space.wait_pod()
    for context in contexts(pod):
        assert context["privileged"] is False
        assert context["capabilities"] == {"add": ADDED}
        assert context["seccompProfile"] == {"type": "Unconfined"}
        assert "procMount" not in context
    assert "runtimeClassName" not in pod["spec"]
    assert "hostUsers" not in pod["spec"]


def test_the_pod_in_a_user_namespace_is_accepted(operator: RunningOperator, space: Space, runtime_class: None) -> None:
    space.create(spec=USER_NAMESPACE)
    pod = space.wait_pod()
    for context in contexts(pod):
        assert context["privileged"] is False
        assert context["capabilities"] == {"add": ADDED}
        assert context["procMount"] == "Unmasked"
    assert (pod["spec"]["hostUsers"], pod["spec"]["runtimeClassName"]) == (False, "dind")
    # Defaults of the API server would be kept from here on: there is nothing that it adds to these fields.
    environment = space.environment()
    assert environment is not None
    assert "runtimeClassName" not in environment["spec"]["security"]
    # Without the user namespace the same pod is refused: the two fields go together.
    spec = {key: value for key, value in pod["spec"].items() if key not in ("hostUsers", "volumes", "nodeName")}
    spec["volumes"] = [{"name": volume["name"], "emptyDir": {}} for volume in pod["spec"]["volumes"]]
    with pytest.raises(ApiError) as refused:
        space.api.create(f"{pods(space.name)}?dryRun=All", {"metadata": {"name": "x"}, "spec": spec})
    assert refused.value.code == 422
    assert "procMount" in refused.value.text


@pytest.mark.parametrize("mode", ["Privileged", "Capabilities", "UserNamespace"])
def test_baseline_refuses_every_mode(operator: RunningOperator, space: Space, runtime_class: None, mode: str) -> None:
    space.label({"pod-security.kubernetes.io/enforce": "baseline"})
    space.create(spec={"security": {"mode": mode}})
    told = space.wait_reason("PodSecurityForbidden")
    assert "pod-security.kubernetes.io/enforce=privileged" in told["message"]
    assert space.pod() is None


def test_another_mode_is_another_pod(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create()
    first = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.change(CAPABILITIES)
    kubelet.finish(space.wait_going())
    second = space.wait_pod(other_than=first)
    assert [context["privileged"] for context in contexts(first)] == [True, True]
    assert [context["privileged"] for context in contexts(second)] == [False, False]


def test_a_runtime_class_that_is_not_there_is_told_and_the_pod_comes_with_it(
    start: Operators, space: Space, api: Api
) -> None:
    start(resync_seconds=OFTEN, default_runtime_class="dind-later").wait_ready()
    space.create(spec=USER_NAMESPACE)
    told = space.wait_reason("RuntimeClassMissing")
    assert told["status"] == "False"
    assert "RuntimeClass dind-later does not exist" in told["message"]
    assert "spec.security.runtimeClassName" in told["message"]
    assert space.pod() is None
    with made(api, "dind-later"):
        assert space.wait_pod()["spec"]["runtimeClassName"] == "dind-later"


def no_sandbox(space: Space, pod: Object) -> None:
    """What the kubelet says of a pod whose sandbox it cannot make, besides an Event."""
    conditions = [
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2025-01-01T00:00:00Z"},
        {"type": "PodReadyToStartContainers", "status": "False", "lastTransitionTime": "2025-01-01T00:00:00Z"},
    ]
    path = f"{pods(space.name)}/{pod['metadata']['name']}/status"
    space.api.patch(path, {"status": {"conditions": conditions}})


@pytest.mark.parametrize(
    ("handlers", "told"),
    [
        ([{"name": "", "features": {"userNamespaces": False}}], "does not support user namespaces"),
        (
            [{"name": "kata", "features": {"userNamespaces": True}}],
            "no handler for the RuntimeClass dind (its handlers: kata)",
        ),
    ],
    ids=["no-user-namespaces", "no-handler"],
)
def test_a_node_that_lacks_the_handler_is_named(
    operator: RunningOperator, space: Space, kubelet: Kubelet, runtime_class: None, handlers: list[Object], told: str
) -> None:
    space.api.patch(f"/api/v1/nodes/{kubelet.node}/status", {"status": {"runtimeHandlers": handlers}})
    space.create(spec=USER_NAMESPACE)
    pod = kubelet.bind(space.wait_pod())
    no_sandbox(space, pod)
    found = space.wait_reason("RuntimeHandlerMissing")
    assert told in found["message"]
    assert kubelet.node in found["message"]
    # The node gets what it lacked, and the kubelet goes on by itself.
    kubelet.check(pod)
    space.wait_environment(
        lambda made: condition(made, "Ready")["reason"] != "RuntimeHandlerMissing", "the trouble being over"
    )


def test_what_the_check_refuses_is_the_condition(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create(spec=CAPABILITIES)
    pod = kubelet.bind(space.wait_pod())
    error = {"check": "Cgroups", "reason": "CgroupVersionUnsupported", "message": "This node has cgroup version 1."}
    kubelet.check(pod, {**REPORT, "ok": False, "mode": "Capabilities", "error": error}, code=1)
    assert space.wait_reason("CgroupVersionUnsupported")["message"] == error["message"]
    assert space.wait_reason("CgroupVersionUnsupported", kind="CgroupsMounted")["status"] == "False"


def test_the_mode_in_force_is_told(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    space.create(spec=CAPABILITIES)
    pod = kubelet.bind(space.wait_pod())
    kubelet.check(pod, {**REPORT, "mode": "Capabilities"})
    told = space.wait_reason("NoMemoryLimit", kind="CgroupsMounted")
    assert "mounted and verified (mode Capabilities)" in told["message"]
