"""Pods that the API server refuses: the right word, no loop, and a pod as soon as it is allowed.

Every refusal is a real one, and every test shows that the same environment gets its pod without it. Resyncs come
often here; each may try once, so the number of tries is bounded by that of resyncs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from tests.helm import RELEASE
from tests.integration.environments.conftest import Operators
from tests.integration.harness.calls import on
from tests.integration.harness.kubelet import Kubelet
from tests.integration.harness.paths import RBAC
from tests.integration.harness.running import OFTEN
from tests.integration.harness.space import Space
from tests.kube.api import Api
from tests.kube.client import Object
from tests.kube.eventually import eventually

POLICIES = "/apis/admissionregistration.k8s.io/v1"


@dataclass
class Guard:
    """Something that refuses pods in one namespace. `reason` and `told` are what a user is to see."""

    reason: str
    told: str
    put: Callable[[Space], None]
    lift: Callable[[Space], None]
    clean: Callable[[Api], None] = field(default=lambda _: None)


def put_quota(space: Space) -> None:
    space.api.create(f"{space.path}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "0"}}})
    wait_quota(space, "0")


def wait_quota(space: Space, pods: str) -> None:
    """The quota controller has counted: the API server goes by what it says."""

    def counted(quota: Object | None) -> bool:
        return (((quota or {}).get("status") or {}).get("hard") or {}).get("pods") == pods

    space.wait(f"{space.path}/resourcequotas", "q", counted, "in force")


def lift_quota(space: Space) -> None:
    space.api.patch(f"{space.path}/resourcequotas/q", {"spec": {"hard": {"pods": "5"}}})


def put_baseline(space: Space) -> None:
    space.label({"pod-security.kubernetes.io/enforce": "baseline"})


def lift_baseline(space: Space) -> None:
    space.label({"pod-security.kubernetes.io/enforce": "privileged"})


def put_policy(space: Space) -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    spec = {
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "false", "message": "daemons are not welcome here"}],
    }
    space.api.create(f"{POLICIES}/validatingadmissionpolicies", {"metadata": {"name": "no-daemons"}, "spec": spec})
    binding = {
        "policyName": "no-daemons",
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": space.name}}},
    }
    space.api.create(
        f"{POLICIES}/validatingadmissionpolicybindings", {"metadata": {"name": "no-daemons"}, "spec": binding}
    )
    dry = {"metadata": {"name": "try"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}

    def refuses() -> bool:
        try:
            space.api.create(f"{space.path}/pods?dryRun=All", dry)
        except Exception as error:
            return "not welcome" in str(error)
        return False

    eventually(refuses, "the policy being in force")


def remove_policy(api: Api) -> None:
    for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies"):
        api.delete(f"{POLICIES}/{kind}/no-daemons")


def rights(api: Api, verbs_of_pods: list[str]) -> None:
    path = f"{RBAC}/clusterroles/{RELEASE}"
    rules: list[Object] = api.call("GET", path)["rules"]
    changed = [{**rule, "verbs": verbs_of_pods} if rule["resources"] == ["pods"] else rule for rule in rules]
    api.patch(path, {"rules": changed})


ALL = ["get", "list", "watch", "create", "delete", "patch"]

GUARDS = {
    "quota": Guard("QuotaExceeded", "exceeded quota: q", put_quota, lift_quota),
    "pod-security": Guard(
        "PodSecurityForbidden", "pod-security.kubernetes.io/enforce=privileged", put_baseline, lift_baseline
    ),
    "policy": Guard(
        "AdmissionDenied",
        "daemons are not welcome here",
        put_policy,
        lambda space: remove_policy(space.api),
        remove_policy,
    ),
    "rights": Guard(
        "Forbidden",
        'cannot create resource "pods"',
        lambda space: rights(space.api, [verb for verb in ALL if verb != "create"]),
        lambda space: rights(space.api, ALL),
        lambda api: rights(api, ALL),
    ),
}


@pytest.fixture(params=GUARDS)
def guard(request: pytest.FixtureRequest, api: Api) -> Iterator[Guard]:
    chosen = GUARDS[request.param]
    yield chosen
    chosen.clean(api)


def test_a_refused_pod(start: Operators, space: Space, kubelet: Kubelet, guard: Guard) -> None:
    """The condition names reason and remedy, tries are as few as resyncs, status is not written again; then it works."""
    guard.put(space)
    operator = start(resync_seconds=OFTEN).wait_ready()
    began = operator.resyncs()
    space.create()
    told = space.wait_reason(guard.reason)
    assert told["status"] == "False"
    assert guard.told in told["message"]
    assert space.status()["phase"] == "Failed"
    patches = operator.proxy.count(on("patch", "dindenvironments/status"))
    operator.wait_resyncs(3)
    tries = operator.proxy.count(on("create", "pods"))
    assert tries <= 2 + operator.resyncs() - began, "it tries more often than it resyncs"
    assert operator.proxy.count(on("patch", "dindenvironments/status")) == patches, "status is written without need"
    assert [event["reason"] for event in space.events()] == [guard.reason]
    guard.lift(space)
    kubelet.run(space.wait_pod())
    space.wait_reason("Ready")
    assert "lastFailure" not in space.status()


def test_a_refusal_leaves_the_rest_alone(start: Operators, space: Space, kubelet: Kubelet) -> None:
    """While one environment is refused, another one that is made, runs and is deleted has no worse a life."""
    put_quota(space)
    lift = {"spec": {"hard": {"pods": "1"}}}
    space.api.patch(f"{space.path}/resourcequotas/q", lift)
    wait_quota(space, "1")
    start().wait_ready()
    space.create()
    kubelet.run(space.wait_pod())
    space.create("two")
    space.wait_reason("QuotaExceeded", name="two")
    space.wait_reason("Ready")
