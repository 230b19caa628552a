"""Pods under our name that are not ours, and those an earlier environment left."""

import pytest
from tests.integration.environments.conftest import Operators
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import pods
from tests.integration.harness.running import OFTEN, RunningOperator
from tests.integration.harness.space import Space

OPEN = {"endpoint": {"allowFrom": [{"podSelector": {}}]}}
FOREIGN = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one"},
    "spec": {"containers": [{"name": "theirs", "image": "theirs"}]},
}


@pytest.mark.parametrize("labels", [{}, {"app.kubernetes.io/managed-by": "dind-operator"}], ids=["plain", "our-label"])
def test_a_foreign_pod_is_never_touched(
    start: Operators, space: Space, kubelet: Kubelet, labels: dict[str, str]
) -> None:
    """It is reported with what to do, whatever its labels; no write reaches it; once it is gone, ours is made."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    theirs = space.api.create(pods(space.name), {**FOREIGN, "metadata": {"name": "one", "labels": labels}})
    space.create()
    told = space.wait_reason("PodConflict")
    assert told["status"] == "False"
    assert "podName" not in space.status()
    operator.wait_resyncs(2)
    space.remove()
    space.wait_gone()
    operator.wait_resyncs(1)
    now = space.pod()
    assert now is not None
    assert now["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"], "somebody wrote to it"

    space.create()
    space.wait_reason("PodConflict")
    space.delete_pod()
    kubelet.run(space.wait_pod(other_than=theirs))
    space.wait_reason("Ready")


def test_another_environments_pod_is_foreign(operator: RunningOperator, space: Space) -> None:
    """A pod that names another environment as its owner is not taken, whatever else it says of itself."""
    other = space.create("other", {"operatingMode": "Suspended"})
    owner = {
        "apiVersion": "dind.dev/v1alpha1",
        "kind": "DindEnvironment",
        "name": "other",
        "uid": other["metadata"]["uid"],
        "controller": True,
    }
    theirs = space.api.create(pods(space.name), {**FOREIGN, "metadata": {"name": "one", "ownerReferences": [owner]}})
    space.create()
    space.wait_reason("PodConflict")
    space.wait_reason("Suspended", name="other")
    now = space.pod()
    assert now is not None
    assert now["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_deleted_and_applied_again_at_once(
    operator: RunningOperator, space: Space, kubelet: Kubelet, policy: str
) -> None:
    """The new environment waits for the old one's pod, then has its own; the old pod is never taken over."""
    old = space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.remove(policy=policy)
    if policy == "Foreground":
        kubelet.finish(space.wait_going())
    space.wait_gone()
    created = space.create()
    if policy == "Background":
        assert space.wait_reason("WaitingForPreviousPod")["status"] == "False"
        kubelet.finish(space.wait_going())
    after = space.wait_pod(other_than=pod)
    assert created["metadata"]["uid"] != old["metadata"]["uid"]
    assert after["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]
    kubelet.run(after)
    space.wait_reason("Ready")
    assert "lastFailure" not in space.status()


def test_what_an_environment_left_behind_is_foreign(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """Who deletes with orphan keeps its objects on purpose: they are nobody's then, and reported. Its pod ends."""
    start(blocked_check_seconds=1).wait_ready()
    space.create(spec=OPEN)
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.remove(policy="Orphan")
    kubelet.finish(space.wait_going())
    space.wait_no_pod()
    space.wait_gone()
    secrets = f"{space.path}/secrets"
    space.wait(
        secrets, "one-ca", lambda found: found and not found["metadata"].get("ownerReferences"), "without an owner"
    )
    space.create(spec=OPEN)
    message = space.wait_reason("EndpointConflict")["message"]
    policies = f"/apis/networking.k8s.io/v1/namespaces/{space.name}/networkpolicies"
    left = {"Secret one-ca", "Secret one-server", "Secret one-client", "NetworkPolicy one"}
    assert {thing for thing in left if f"{thing} (controlled by no owner)" in message} == left
    for kind, name in (thing.split() for thing in left):
        path = policies if kind == "NetworkPolicy" else f"{space.path}/{kind.lower()}s"
        space.api.delete(f"{path}/{name}")
    space.wait_pod(other_than=pod)
    space.wait_reason("PodPending")


def test_a_deleted_environment_leaves_nothing(operator: RunningOperator, space: Space, kubelet: Kubelet) -> None:
    """Deletion is garbage collection alone: no finalizer holds it, and the operator writes nothing more."""
    made = space.create()
    assert "finalizers" not in made["metadata"]
    kubelet.run(space.wait_pod())
    space.wait_told("Ready")
    before = len(operator.proxy.writes())
    space.remove()
    kubelet.finish(space.wait_going())
    space.wait_no_pod()
    assert space.environment() is None
    # Another one's life shows that the operator has seen all that.
    space.create("two")
    space.wait_reason("PodPending", name="two")
    assert [str(call) for call in operator.proxy.writes()[before:] if call.name == "one"] == []
