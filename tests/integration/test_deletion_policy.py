"""An environment is deleted together with its objects: the chart's policy refuses what would leave them behind."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.helm import Helm
from tests.integration.harness.paths import environments
from tests.integration.harness.policy import BINDINGS, POLICIES
from tests.integration.harness.space import Space, open_space
from tests.kube.api import Api
from tests.kube.client import ApiError, Object
from tests.kube.eventually import eventually
from tests.kubectl import Kubectl

NAME = "dind-operator-deletion"
ORPHANED = "does not allow the deletion of an environment without its objects (--cascade=orphan). Delete it with "
FINALIZER = "does not allow the finalizer orphan"
_numbers = itertools.count()


@pytest.fixture(scope="module")
def ruled(served: Api, helm: Helm) -> Iterator[Space]:
    """A namespace in which the policy is in force."""
    manifests = helm.template({"policy": {"enabled": True}})
    with open_space(served) as space:
        policy = manifests.one("ValidatingAdmissionPolicy", NAME)
        binding = manifests.one("ValidatingAdmissionPolicyBinding", NAME)
        here = {"matchLabels": {"kubernetes.io/metadata.name": space.name}}
        binding["spec"]["matchResources"] = {"namespaceSelector": here}
        before(space, "old", finalizers=["orphan"])
        before(space, "dependent", finalizers=["orphan"], ownerReferences=[owner(space)])
        served.create(POLICIES, policy)
        served.create(BINDINGS, binding)
        eventually(
            lambda: refusal(space, "POST", body=body("probe", finalizers=["orphan"])), "the policy being in force"
        )
        yield space
        served.delete(f"{BINDINGS}/{NAME}")
        served.delete(f"{POLICIES}/{NAME}")
        served.patch(f"{environments(space.name)}/old", {"metadata": {"finalizers": None}})


def owner(space: Space) -> Object:
    """A reference to a new object."""
    made = space.api.create(f"{space.path}/configmaps", {"metadata": {"name": "owner"}})["metadata"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": made["uid"]}


def body(name: str, **metadata: object) -> Object:
    kind = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment"}
    return {**kind, "metadata": {"name": name, **metadata}, "spec": {}}


def before(space: Space, name: str, **metadata: object) -> None:
    space.api.create(environments(space.name), body(name, **metadata))


def refusal(space: Space, method: str, path: str = "", body: Object | None = None) -> str:
    """The policy's sentence on a request that changes nothing; empty if it is accepted."""
    dry = f"{path}{'&' if '?' in path else '?'}dryRun=All"
    if method == "DELETE" and body is not None:
        # With a body, the API server does not read the query.
        dry, body = path, {"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"], **body}
    try:
        space.api.call(method, environments(space.name) + dry, body)
        return ""
    except ApiError as error:
        refused = error
    if refused.code != 403 or NAME not in refused.message:
        raise refused
    return refused.message.partition("denied request: ")[2]


WAYS: dict[str, Object | None] = {
    "nothing said": None,
    "no policy": {},
    "background": {"propagationPolicy": "Background"},
    "foreground": {"propagationPolicy": "Foreground"},
    "not orphaned": {"orphanDependents": False},
}
ORPHANING: dict[str, Object] = {
    "orphan": {"propagationPolicy": "Orphan"},
    "orphaned": {"orphanDependents": True},
}


@pytest.mark.parametrize("way", ORPHANING)
def test_an_environment_that_would_leave_its_objects_is_not_deleted(ruled: Space, space: Space, way: str) -> None:
    for place in (ruled, space):
        before(place, f"e-{way}")
    assert ORPHANED in refusal(ruled, "DELETE", f"/e-{way}", ORPHANING[way])
    assert ORPHANED in refusal(ruled, "DELETE", "", ORPHANING[way]), "all at once"
    assert refusal(space, "DELETE", f"/e-{way}", ORPHANING[way]) == "", "without the policy"


@pytest.mark.parametrize("way", WAYS)
def test_every_other_way_is_open(ruled: Space, way: str) -> None:
    name = f"e{next(_numbers)}"
    before(ruled, name)
    options = WAYS[way]
    ruled.api.call("DELETE", f"{environments(ruled.name)}/{name}", options and {"kind": "DeleteOptions", **options})
    ruled.wait_gone(name)


def test_as_kubectl_does_it(ruled: Space, kubectl: Kubectl) -> None:
    before(ruled, "by-kubectl")
    done = kubectl.run("delete", "dind", "by-kubectl", "-n", ruled.name, "--cascade=orphan")
    assert done.returncode == 1
    assert ORPHANED in done.stderr
    kubectl("delete", "dind", "by-kubectl", "-n", ruled.name)
    ruled.wait_gone("by-kubectl")


def test_a_finalizer_that_does_the_same_cannot_be_set(ruled: Space, space: Space) -> None:
    before(ruled, "held", finalizers=["example.com/mine"])
    assert FINALIZER in refusal(ruled, "POST", body=body("new", finalizers=["orphan"]))
    change = {"metadata": {"finalizers": ["example.com/mine", "orphan"]}}
    with pytest.raises(ApiError) as refused:
        ruled.api.patch(f"{environments(ruled.name)}/held", change)
    assert FINALIZER in refused.value.message
    assert refusal(space, "POST", body=body("new", finalizers=["orphan"])) == "", "without the policy"
    ruled.api.patch(f"{environments(ruled.name)}/held", {"metadata": {"finalizers": None}})


def test_of_an_environment_that_has_it_the_policy_of_the_request_decides(ruled: Space) -> None:
    """It can be changed, and it can be deleted with its objects."""
    assert ORPHANED in refusal(ruled, "DELETE", "/old")
    assert refusal(ruled, "DELETE", "/old", {"propagationPolicy": "Background"}) == ""
    ruled.change({"operatingMode": "Suspended"}, "old")


def test_the_garbage_collector_is_not_held_up(ruled: Space) -> None:
    """It honors the finalizer, which was set before the policy, and so asks for what nobody else may."""
    ruled.api.delete(f"{ruled.path}/configmaps/owner", propagationPolicy="Background")
    ruled.wait_gone("dependent")
