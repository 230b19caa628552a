"""Somebody who has the operator's token: what they reach for beyond environments, and what stops them.

That the operator itself needs nothing of it is shown by every other test here: their operators are under the same policy. What is
refused is shown to be possible without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.cluster.controlplane import ControlPlane
from tests.helm import NAMESPACE, Manifests
from tests.integration.environments.conftest import Operators, running_kubelet
from tests.integration.harness import account
from tests.integration.harness.calls import on
from tests.integration.harness.paths import environments, pods
from tests.integration.harness.policy import BINDINGS
from tests.integration.harness.space import Space, open_space
from tests.kube.api import Api
from tests.kube.client import Object
from tests.kube.eventually import eventually

# One worker runs this file: the policy is taken away in it.
pytestmark = pytest.mark.xdist_group("account")

MANAGED = {"app.kubernetes.io/managed-by": "dind-operator"}
CONTAINERS = [{"name": "c", "image": "i"}]
OWNER = {"apiVersion": "dind.dev/v1alpha1", "kind": "DindEnvironment", "uid": "u", "controller": True}
REPLICA_SET = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "u", "controller": True}


def of(environment: str, name: str | None = None, **more: Any) -> Object:
    """Metadata as the operator writes it."""
    labels = {**MANAGED, "dind.dev/environment": environment}
    owners = [{**OWNER, "name": environment}]
    return {"metadata": {"name": name or environment, "labels": labels, "ownerReferences": owners}, **more}


def adopted(environment: str) -> Object:
    """What makes an object one of the environment's, but for its name."""
    return {key: value for key, value in of(environment)["metadata"].items() if key != "name"}


def plain(name: str = "new", labels: Object | None = None, **more: Any) -> Object:
    return {"metadata": {"name": name, "labels": labels or {}}, **more}


PORTS = [{"port": 80}]
POLICY = {"podSelector": {}, "policyTypes": ["Ingress"]}
OURS = {"podSelector": {"matchLabels": MANAGED}, "policyTypes": ["Ingress"]}
BUDGET = {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}
FOREIGN = {
    "secrets": [
        plain("login"),
        plain("prod-ca"),
        plain("staging-ca", {**MANAGED, "dind.dev/environment": "staging"}),
    ],
    "pods": [
        plain("web", spec={"containers": CONTAINERS}),
    ],
    "services": [plain("web", spec={"ports": PORTS})],
    "networkpolicies": [plain("web", spec=POLICY)],
    "poddisruptionbudgets": [plain("web", spec=BUDGET)],
}
GROUPS = {"networkpolicies": "networking.k8s.io/v1", "poddisruptionbudgets": "policy/v1"}


def event(namespace: str, **about: Any) -> Object:
    return plain(involvedObject={"namespace": namespace, "name": "one", **about}, source={"component": "dind-operator"})


def path(space: Space, kind: str, name: str = "") -> str:
    group = f"/apis/{GROUPS[kind]}" if kind in GROUPS else "/api/v1"
    return f"{group}/namespaces/{space.name}/{kind}" + (f"/{name}" if name else "")


@dataclass(frozen=True)
class Place:
    """A namespace with an environment, its objects, and those of others; and one in which environments are not enabled."""

    space: Space
    closed: Space
    attacker: Api

    def read(self, kind: str, name: str) -> Object:
        found: Object = self.space.api.call("GET", path(self.space, kind, name))
        return found

    def attempt(self, method: str, where: str, body: Object | None = None) -> str:
        """The policy's sentence on a request; empty if it is accepted. Nothing is changed."""
        return account.refusal(self.attacker, method, f"{where}?dryRun=All", body)

    def create(self, kind: str, body: Object, *, closed: bool = False) -> str:
        return self.attempt("POST", path(self.closed if closed else self.space, kind), body)

    def update(self, kind: str, name: str, **change: Any) -> str:
        """Replace an object; ``change`` is of its metadata or, for other keys, of the object itself."""
        body = self.read(kind, name)
        for key, value in change.items():
            (body["metadata"] if key in ("labels", "ownerReferences") else body)[key] = value
        return self.attempt("PUT", path(self.space, kind, name), body)

    def patch(self, kind: str, name: str, body: Object) -> str:
        return self.attempt("PATCH", path(self.space, kind, name), body)

    def delete(self, kind: str, name: str) -> str:
        return self.attempt("DELETE", path(self.space, kind, name))


@pytest.fixture(scope="module")
def place(plane: ControlPlane, api: Api, token: str, serving: Any, tmp_path_factory: Any) -> Iterator[Place]:
    operators = Operators(plane, api, serving, token, tmp_path_factory.mktemp("operators"))
    with open_space(api) as space, open_space(api) as closed, running_kubelet(api, serving) as kubelet:
        closed.label({"dind.dev/environments": None})
        try:
            operators().wait_ready()
            space.create(spec={"disruptionPolicy": "Protect", "endpoint": {"allowFrom": [{"podSelector": {}}]}})
            kubelet.run(space.wait_pod())
            space.wait_reason("EndpointReady", "EndpointReady")
        finally:
            operators.close()
        for kind, objects in FOREIGN.items():
            for each in objects:
                api.create(path(space, kind), each)
        api.create(path(space, "events"), plain("web", involvedObject={"kind": "Pod", "namespace": space.name}))
        other = api.create(f"{space.path}/configmaps", plain("other"))["metadata"]
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": other["uid"], "controller": True}
        claimed = {"name": "claimed", "labels": MANAGED, "ownerReferences": [owner]}
        api.create(pods(space.name), {"metadata": claimed, "spec": {"containers": CONTAINERS}})
        api.create(f"{space.path}/serviceaccounts", {"metadata": {"name": "deployer"}})
        with account.holding(plane, token) as attacker:
            yield Place(space, closed, attacker)


HEADLESS = {"clusterIP": "None", "selector": MANAGED, "ports": PORTS}
PRIVILEGED = {"containers": CONTAINERS}
HOST = "hostNetwork, hostPID nor hostIPC"
LABELS = "the object must have the labels app.kubernetes.io/managed-by=dind-operator"
NOT_OURS = "the object does not belong to a DindEnvironment"
CLOSED = "the namespace does not have the label dind.dev/environments=enabled"


def with_image(pod: Object, image: str) -> list[Object]:
    return [{**container, "image": image} for container in pod["spec"]["containers"]]


Attempt = Callable[[Place], str]
ATTEMPTS: dict[str, tuple[Attempt, str]] = {
    # Secrets
    "a Secret": (lambda p: p.create("secrets", plain()), LABELS),
    "a Secret without an owner": (
        lambda p: p.create("secrets", plain("two-ca", {**MANAGED, "dind.dev/environment": "two"})),
        LABELS,
    ),
    "a Secret of another name": (lambda p: p.create("secrets", of("two", "two")), "the name NAME-ca, NAME-server or "),
    "a Secret of another's owner": (
        lambda p: p.create(
            "secrets", {"metadata": {**of("two", "two-ca")["metadata"], "ownerReferences": [REPLICA_SET]}}
        ),
        LABELS,
    ),
    "a Secret that gets a token": (
        lambda p: p.create(
            "secrets",
            {
                "type": "kubernetes.io/service-account-token",
                "metadata": {
                    **of("two", "two-ca")["metadata"],
                    "annotations": {"kubernetes.io/service-account.name": "deployer"},
                },
            },
        ),
        "the type must be Opaque",
    ),
    "a Secret elsewhere": (lambda p: p.create("secrets", of("two", "two-ca"), closed=True), CLOSED),
    "overwriting a Secret": (lambda p: p.update("secrets", "login", data={"a": "YQ=="}), LABELS),
    "taking over a Secret": (
        lambda p: p.update("secrets", "prod-ca", **adopted("prod")),
        NOT_OURS,
    ),
    "letting go of a Secret": (lambda p: p.update("secrets", "one-ca", ownerReferences=[]), LABELS),
    "deleting a Secret": (lambda p: p.delete("secrets", "login"), NOT_OURS),
    "deleting a Secret that only looks like one of an environment": (
        lambda p: p.delete("secrets", "staging-ca"),
        NOT_OURS,
    ),
    # Pods
    "a pod": (lambda p: p.create("pods", plain(spec=PRIVILEGED)), LABELS),
    "a pod elsewhere": (lambda p: p.create("pods", of("two", spec=PRIVILEGED), closed=True), CLOSED),
    "a pod of another name": (lambda p: p.create("pods", of("two", "three", spec=PRIVILEGED)), "and the name NAME"),
    "a pod with another account": (
        lambda p: p.create("pods", of("two", spec={**PRIVILEGED, "serviceAccountName": "deployer"})),
        "the service account default or one of allowedServiceAccounts of the chart",
    ),
    **{
        f"a pod with {field}": (
            lambda p, field=field: p.create("pods", of("two", spec={**PRIVILEGED, field: True})),  # type: ignore[misc]
            HOST,
        )
        for field in ("hostNetwork", "hostPID", "hostIPC")
    },
    "deleting a pod": (lambda p: p.delete("pods", "web"), NOT_OURS),
    "deleting a pod with the operator's label": (lambda p: p.delete("pods", "claimed"), NOT_OURS),
    "changing a pod": (lambda p: p.patch("pods", "web", {"metadata": {"labels": {"a": "b"}}}), LABELS),
    "another image": (
        lambda p: p.patch("pods", "one", {"spec": {"containers": with_image(p.read("pods", "one"), "evil")}}),
        "it can change only labels and annotations of pods",
    ),
    # Services
    "a Service": (lambda p: p.create("services", plain(spec={"ports": PORTS})), LABELS),
    "a Service that selects others": (
        lambda p: p.create("services", of("two", spec={"ports": PORTS, "selector": {"app": "web"}})),
        "in its selector",
    ),
    "a Service for an address": (
        lambda p: p.update("services", "dind", spec={**HEADLESS, "externalIPs": ["8.8.8.8"]}),
        "no externalIPs",
    ),
    "a shared Service of another name": (lambda p: p.create("services", plain("x", MANAGED, spec=HEADLESS)), LABELS),
    "a shared Service elsewhere": (
        lambda p: p.create("services", plain("dind", MANAGED, spec=HEADLESS), closed=True),
        CLOSED,
    ),
    "a Service with a load balancer": (
        lambda p: p.create("services", of("two", spec={"ports": PORTS, "selector": MANAGED, "type": "LoadBalancer"})),
        "the type ClusterIP",
    ),
    "changing a Service": (lambda p: p.update("services", "web", **adopted("web")), NOT_OURS),
    "deleting a Service": (lambda p: p.delete("services", "web"), NOT_OURS),
    # NetworkPolicies
    "a NetworkPolicy": (lambda p: p.create("networkpolicies", plain(spec=POLICY)), LABELS),
    "a NetworkPolicy for all pods": (
        lambda p: p.update("networkpolicies", "environments.dind.dev", spec=POLICY),
        "in spec.podSelector.matchLabels",
    ),
    "a shared NetworkPolicy of another name": (
        lambda p: p.create("networkpolicies", plain("x", MANAGED, spec=OURS)),
        LABELS,
    ),
    "changing a NetworkPolicy": (
        lambda p: p.update("networkpolicies", "web", **adopted("web"), spec=OURS),
        NOT_OURS,
    ),
    "deleting a NetworkPolicy": (lambda p: p.delete("networkpolicies", "web"), NOT_OURS),
    # PodDisruptionBudgets
    "a budget": (lambda p: p.create("poddisruptionbudgets", plain(spec=BUDGET)), LABELS),
    "a budget of all environments": (
        lambda p: p.create("poddisruptionbudgets", plain("x", MANAGED, spec=BUDGET)),
        LABELS,
    ),
    "deleting a budget": (lambda p: p.delete("poddisruptionbudgets", "web"), NOT_OURS),
    # The rest
    "an Event about a pod": (lambda p: p.create("events", event(p.space.name, kind="Pod")), "about a DindEnvironment"),
    "another's Event": (
        lambda p: p.patch(
            "events",
            "web",
            {
                "message": "m",
            },
        ),
        "about a DindEnvironment",
    ),
    "another Lease": (
        lambda p: p.attempt("POST", f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases", plain("other")),
        "only the Lease dind-operator",
    ),
    "deleting an environment that is to stay": (
        lambda p: p.attempt("DELETE", f"{environments(p.space.name)}/one"),
        "only delete environments with spec.lifetime.expire Delete",
    ),
}


@pytest.mark.parametrize("name", ATTEMPTS)
def test_the_token_does_nothing_else(place: Place, name: str) -> None:
    attempt, words = ATTEMPTS[name]
    told = attempt(place)
    assert re.match(
        r"The service account of the operator cannot (create|update|delete) [a-z]+ [-a-z0-9]+/[-.a-z]+ \(", told
    )
    assert words in told


def test_without_the_policy_the_token_does_all_of_it(place: Place, api: Api, manifests: Manifests) -> None:
    api.delete(f"{BINDINGS}/{account.NAME}")
    try:
        account.wait_in_force(place.attacker, absent=True)
        assert {name: attempt(place) for name, (attempt, _) in ATTEMPTS.items()} == dict.fromkeys(ATTEMPTS, "")
    finally:
        api.create(BINDINGS, manifests.one("ValidatingAdmissionPolicyBinding", account.NAME))
        account.wait_in_force(place.attacker)


def test_objects_that_environments_share_have_a_label_and_no_owner(place: Place) -> None:
    """The operator itself made them under the policy."""
    for kind, name in (("services", "dind"), ("networkpolicies", "environments.dind.dev")):
        assert place.update(kind, name, labels={**MANAGED, "a": "b"}) == ""
        assert place.update(kind, name, labels={}).startswith("The service account of")
        assert place.update(kind, name, ownerReferences=[REPLICA_SET]).startswith("The service account of")
        assert place.delete(kind, name) == ""


def test_what_a_tenant_does_to_an_object_does_not_keep_the_operator_from_it(place: Place) -> None:
    """Without its labels: the operator restores them. And a pod without its owner: it was orphaned, and the operator ends it."""
    api, space = place.space.api, place.space
    for kind, name in (("secrets", "one-ca"), ("networkpolicies", "one"), ("pods", "one")):
        labels = place.read(kind, name)["metadata"]["labels"]
        api.patch(path(space, kind, name), {"metadata": {"labels": dict.fromkeys(labels)}})
        assert place.delete(kind, name) == ""
        if kind == "pods":
            assert place.patch(kind, name, {"metadata": {"labels": labels}}) == ""
        else:
            assert place.update(kind, name, labels=labels) == ""
        api.patch(path(space, kind, name), {"metadata": {"labels": labels}})
    api.patch(
        f"{pods(space.name)}/one", {"metadata": {"ownerReferences": None, "labels": {"dind.dev/environment": None}}}
    )
    assert place.delete("pods", "one") == ""


def test_it_is_checked_without_warnings(api: Api) -> None:
    """The API server checks the types of expressions, and reports what may fail in status."""
    at = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    found = api.wait(
        at, account.NAME, lambda policy: "typeChecking" in ((policy or {}).get("status") or {}), "checked", 60
    )
    assert (found or {})["status"]["typeChecking"] == {}


@pytest.mark.parametrize("what", ["services", "secrets", "pods"])
def test_a_denial_of_what_the_operator_needs_is_told_and_tried_again_soon(
    start: Operators, space: Space, what: str
) -> None:
    """As when an API server does not know the policy of an upgrade yet: no change of the environment and no resync is needed."""
    operator = start(require_namespace_label=False).wait_ready()
    if what != "services":
        # Then what all share is there.
        space.create("before")
        space.wait_pod("before")
    space.label({"dind.dev/environments": None})
    space.create(spec={"endpoint": {"enabled": what == "secrets"}})
    told = space.wait_reason("Forbidden" if what == "pods" else "EndpointObjectRejected")
    assert "the namespace does not have the label dind.dev/environments=enabled" in told["message"]
    writes = on("create", what)
    tried = operator.proxy.count(writes)
    eventually(lambda: operator.proxy.count(writes) > tried, "another try")
    space.label({"dind.dev/environments": "enabled"})
    space.wait_pod()
