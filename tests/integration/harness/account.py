"""The operator's service account: its rights, its token, and the chart's admission policy for what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests.cluster.controlplane import ControlPlane
from tests.helm import NAMESPACE, RELEASE, Helm, Manifests
from tests.integration.harness.paths import RBAC
from tests.integration.harness.policy import BINDINGS, POLICIES
from tests.integration.harness.running import kubeconfig
from tests.kube.api import Api
from tests.kube.client import JSON, MERGE_PATCH, ApiError, Object
from tests.kube.eventually import eventually

NAME = f"{RELEASE}-account"
# What no operator does.
_FOREIGN: Object = {"metadata": {"name": "probe"}, "spec": {"ports": [{"port": 80}]}}


def grant(api: Api, manifests: Manifests, name: str = RELEASE) -> list[str]:
    """Makes the service account, its rights, and the policy for it, of the installation with this full name. Returns the paths."""
    kinds = {
        f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts": ("ServiceAccount", name),
        f"{RBAC}/clusterroles": ("ClusterRole", name),
        f"{RBAC}/clusterrolebindings": ("ClusterRoleBinding", name),
        f"{RBAC}/namespaces/{NAMESPACE}/roles": ("Role", name),
        f"{RBAC}/namespaces/{NAMESPACE}/rolebindings": ("RoleBinding", name),
        POLICIES: ("ValidatingAdmissionPolicy", f"{name}-account"),
        BINDINGS: ("ValidatingAdmissionPolicyBinding", f"{name}-account"),
    }
    for collection, (kind, of) in kinds.items():
        api.create(collection, manifests.one(kind, of))
    return [f"{collection}/{of}" for collection, (_, of) in kinds.items()]


@contextmanager
def installed(plane: ControlPlane, api: Api, helm: Helm, release: str, **values: Any) -> Iterator[str]:
    """The token of the operator of an installation with other values, in force as long as the context lasts."""
    name = f"{release}-{RELEASE}"
    paths = grant(api, helm.template(values, release=release), name)
    token = token_of(api, name)
    with holding(plane, token) as client:
        wait_in_force(client)
    yield token
    for path in paths:
        api.delete(path)


def token_of(api: Api, account: str = RELEASE) -> str:
    """A token as a pod with this service account would have it."""
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
    text: str = api.create(path, request)["status"]["token"]
    return text


@contextmanager
def holding(plane: ControlPlane, token: str) -> Iterator[Api]:
    """A client with nothing but this token."""
    with closing(Api(kubeconfig(plane.url, plane.ca, token))) as client:
        yield client


def refusal(client: Api, method: str, path: str, body: Object | None = None) -> str:
    """The policy's sentence; empty if the request is accepted. Fails if somebody else refused it."""
    kind = MERGE_PATCH if method == "PATCH" else JSON
    try:
        client.call(method, path, body, kind)
        return ""
    except ApiError as error:
        refused = error
    if refused.code != 403 or NAME not in refused.message:
        raise refused
    return refused.message.partition("denied request: ")[2]


def wait_in_force(client: Api, *, absent: bool = False) -> None:
    """The API server takes up a policy, and drops it, within a second or so, and no event tells of that."""

    def refused() -> bool:
        try:
            client.create("/api/v1/namespaces/default/services?dryRun=All", _FOREIGN)
        except ApiError as error:
            return "-account' denied request" in error.message
        return False

    eventually(lambda: refused() is not absent, "the policy being dropped" if absent else "the policy being in force")
