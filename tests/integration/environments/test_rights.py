"""The chart's rights are enough, and none is there for nothing.

Enough: every test of this folder runs with them. Here a whole life is led, and each rule is looked for in what was called.
"""

from datetime import timedelta

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.helm import NAMESPACE, RELEASE, Helm, Manifests
from tests.integration.environments.conftest import Operators
from tests.integration.harness import account
from tests.integration.harness.calls import Answer, Call, Do, on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import RBAC
from tests.integration.harness.running import OFTEN, Clock, RunningOperator
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.eventually import eventually
from tests.live import condition

from dind_operator.manager.leader_election import LEASE_NAME

UNSEEN = {
    # Asked for by an admission plugin that some clusters turn on, whenever blockOwnerDeletion is set.
    ("dind.dev", "dindenvironments/finalizers", "update"),
}


def granted(manifests: Manifests) -> set[tuple[str, str, str]]:
    rules = manifests.one("ClusterRole", RELEASE)["rules"] + manifests.one("Role", RELEASE)["rules"]
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(calls: list[Call]) -> set[tuple[str, str, str]]:
    return {(call.group, call.resource, call.verb) for call in calls}


def test_every_right_is_used_and_none_is_missing(
    start: Operators, manifests: Manifests, space: Space, kubelet: Kubelet
) -> None:
    """One life with everything in it: made, repaired, raced, protected, failed, on a lost watch, deleted, led and given back."""
    # The first leader of an installation makes the Lease.
    space.api.delete(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEASE_NAME}")
    clock = Clock()
    operator = start(
        leader_election=True, pod_namespace=NAMESPACE, pod_name="r", clock=clock, endpoint_check_seconds=1
    ).wait_ready()
    eventually(lambda: "dind_operator_leader 1.0" in operator.http("/metrics")[1], "leading")
    proxy = operator.proxy
    eventually(lambda: operator.resyncs() and operator.http("/readyz")[0] == 200, "the first resync")
    # The answer to the create is lost and no watch tells: the retry finds the pod there and reads it.
    proxy.hold_watches("pods")
    proxy.fault(on("create", "pods"), Do.DROP_AFTER)
    space.create(spec={"disruptionPolicy": "Protect"})
    eventually(lambda: proxy.count(on("get", "pods")), "the live read")
    proxy.release_watches()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    space.edit_pod({"labels": {"dind.dev/environment": None}})
    space.wait_pod_that(lambda found: "dind.dev/environment" in found["metadata"]["labels"], "repaired")
    budget = f"/apis/policy/v1/namespaces/{space.name}/poddisruptionbudgets/one"
    space.api.patch(budget, {"spec": {"minAvailable": 0}})
    kubelet.fail(pod, "Evicted")
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")
    space.change({"disruptionPolicy": "Allow"})
    space.wait_environment(lambda found: not condition(found, "DisruptionProtected"), "the budget being removed")
    second = space.pod() or {}
    # The endpoint: other credentials, a Service and a policy to be put back, and in the end none of it.
    shared = (
        (f"{space.path}/services", "dind"),
        (f"/apis/networking.k8s.io/v1/namespaces/{space.name}/networkpolicies", "environments.dind.dev"),
    )
    for path, name in shared:
        space.api.patch(f"{path}/{name}", {"metadata": {"labels": {"app.kubernetes.io/name": None}}})
    for path, name in shared:
        space.wait(
            path, name, lambda found: found and "app.kubernetes.io/name" in found["metadata"]["labels"], "repaired"
        )
    space.change({"endpoint": {"credentialsGeneration": 2}})
    kubelet.finish(space.wait_going())
    third = kubelet.run(space.wait_pod(other_than=second))
    space.wait_reason("EndpointReady", "EndpointReady")
    space.change({"endpoint": {"enabled": False}})
    kubelet.finish(space.wait_going())
    kubelet.run(space.wait_pod(other_than=third))
    space.wait_reason("EndpointDisabled", "EndpointReady")
    space.wait(f"{space.path}/secrets", "one-server", lambda found: found is None, "gone")
    eventually(lambda: proxy.count(on("update", "leases")), "the Lease being renewed")
    # One more, whose time is over at once, but for the minute after the warning.
    space.create("brief", {"lifetime": {"ttl": "1m", "expire": "Delete"}})
    space.wait_status_that(lambda status: "ttlWarnedAt" in status.get("lifetime", {}), "the warning", "brief")
    clock.passed = timedelta(minutes=2)
    space.extend("2026-01-01T00:00:00Z", "brief")  # long ago: it is looked at, and nothing is extended
    space.wait_gone("brief")
    space.remove()
    for name in ("one", "brief"):
        if space.pod(name) is not None:
            kubelet.finish(space.wait_going(name))
    for path, name in shared:
        space.wait(path, name, lambda found: found is None, "gone with the last pod")
    operator.stop()

    refused = [str(call) for call in proxy.calls if call.code == 403]
    assert refused == [], "a right is missing"
    rights = granted(manifests)
    about_objects = {
        entry for entry in used(proxy.calls) if entry[1].split("/")[0] in {right[1].split("/")[0] for right in rights}
    }
    assert about_objects <= rights
    assert rights - used(proxy.calls) - UNSEEN == set(), "these rights are never used"


def test_without_endpoints_no_right_on_secrets_is_needed(
    plane: ControlPlane, start: Operators, helm: Helm, space: Space, kubelet: Kubelet
) -> None:
    """Who asks for an endpoint is told what to do, once; what ran with one runs on; and everything else works."""
    first = start().wait_ready()
    space.create("before")
    kubelet.run(space.wait_pod("before"))
    space.wait_reason("EndpointReady", "EndpointReady", name="before")
    first.stop()
    with account.installed(plane, space.api, helm, "without", endpoints={"enabled": False}) as token:
        operator = start(
            token=token, endpoints_enabled=False, endpoint_check_seconds=1, resync_seconds=OFTEN
        ).wait_ready()
        proxy = operator.proxy
        space.wait_reason("EndpointsNotServed", "UpToDate", name="before")
        assert space.condition(name="before")["status"] == "True"
        space.create()
        told = space.wait_told("EndpointsNotServed")
        assert "Set spec.endpoint.enabled to false" in told["message"]
        assert space.pod() is None
        writes = len(proxy.writes())
        operator.wait_resyncs(2)
        assert [str(call) for call in proxy.writes()[writes:]] == []
        space.change({"endpoint": {"enabled": False}, "publishedPorts": {"allowFrom": [{"podSelector": {}}]}})
        kubelet.run(space.wait_pod())
        space.wait_reason("Ready")
        policies = f"/apis/networking.k8s.io/v1/namespaces/{space.name}/networkpolicies"
        space.wait(policies, "one", bool, "there")
        space.change({"endpoint": {"enabled": False}}, "before")
        old = space.wait_going("before")
        kubelet.finish(old)
        kubelet.run(space.wait_pod("before", other_than=old))
        space.wait_reason("EndpointDisabled", "EndpointReady", name="before")
        operator.stop()
        assert [str(call) for call in proxy.calls if call.resource == "secrets" or call.code == 403] == []
    # The garbage collector deletes them with their environment.
    assert space.api.get(f"{space.path}/secrets/before-ca") is not None
    space.remove("before")
    space.wait(f"{space.path}/secrets", "before-ca", lambda found: found is None, "gone")


@pytest.mark.parametrize("verb", ["delete", "patch"])
def test_a_missing_right_is_told_and_not_hammered(
    start: Operators, api: Api, space: Space, kubelet: Kubelet, verb: str
) -> None:
    """Without one verb on pods the condition names it, tries are bounded by resyncs, and with it all goes on."""
    path = f"{RBAC}/clusterroles/{RELEASE}"
    before = api.call("GET", path)["rules"]
    operator = start(resync_seconds=OFTEN).wait_ready()
    space.create()
    pod = kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    less = [{**r, "verbs": [v for v in r["verbs"] if v != verb]} if r["resources"] == ["pods"] else r for r in before]
    api.patch(path, {"rules": less})
    try:
        who = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
        review = {"user": who, "resourceAttributes": {"verb": verb, "resource": "pods", "namespace": space.name}}
        eventually(lambda: not _allowed(api, review), "the right being gone")
        if verb == "delete":
            space.change({"daemon": {"logLevel": "Debug"}})
        else:
            space.edit_pod({"labels": {"dind.dev/environment": None}})
        told = space.wait_reason("Forbidden")
        assert f'cannot {verb} resource "pods"' in told["message"]
        began, tries = operator.resyncs(), operator.proxy.count(on(verb, "pods"))
        patches = operator.proxy.count(on("patch", "dindenvironments/status"))
        operator.wait_resyncs(3)
        assert operator.proxy.count(on("patch", "dindenvironments/status")) == patches, "status is written without need"
        assert [event["reason"] for event in space.events() if event["type"] == "Warning"] == ["Forbidden"]
        assert operator.proxy.count(on(verb, "pods")) - tries <= operator.resyncs() - began + 1
    finally:
        api.patch(path, {"rules": before})
    eventually(lambda: _allowed(api, review), "the right being back")
    if verb == "delete":
        kubelet.finish(space.wait_going())
        kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")


def test_a_failed_pod_that_may_not_be_deleted_is_counted_once(
    start: Operators, api: Api, space: Space, kubelet: Kubelet
) -> None:
    """The refusal is told once, and through the resyncs nothing is written: not the count of failures either."""
    operator = start(resync_seconds=OFTEN).wait_ready()
    words = 'User "x" cannot delete resource "pods"'
    operator.proxy.fault(on("delete", "pods"), Answer(403, "Forbidden", words), times=None)
    space.create()
    pod = kubelet.fail(kubelet.run(space.wait_pod()), "Evicted", "disk")
    space.wait_told("Forbidden")
    operator.wait_resyncs(1)
    before = len(operator.proxy.writes())
    operator.wait_resyncs(3)
    assert {str(call) for call in operator.proxy.writes()[before:] if call.resource != "pods"} == set()
    status = space.status()
    assert (status["recreations"], status["lastFailure"]["reason"]) == (1, "Evicted")
    operator.proxy.heal()
    kubelet.run(space.wait_pod(other_than=pod))
    space.wait_reason("Ready")


def test_a_node_that_may_not_be_read_holds_up_no_daemon(
    operator: RunningOperator, space: Space, kubelet: Kubelet
) -> None:
    """Ready does not wait for what the node is. Where the node decides, the missing rule is named."""
    words = 'nodes "n" is forbidden: User "x" cannot get resource "nodes" in API group "" at the cluster scope'
    operator.proxy.fault(on("get", "nodes"), Answer(403, "Forbidden", words), times=None)
    space.create()
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    assert "node" not in space.status()
    space.delete_pod()
    going = space.wait_going()
    assert words in space.wait_reason("Forbidden")["message"]
    operator.proxy.heal()
    kubelet.finish(going)
    kubelet.run(space.wait_pod(other_than=going))
    space.wait_reason("Ready")


def _allowed(api: Api, spec: dict[str, object]) -> bool:
    answer = api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return bool(answer["status"]["allowed"])
