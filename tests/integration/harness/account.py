"""The operator's service account: its token, and the chart's admission policy for what it writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.cluster.controlplane import ControlPlane
from tests.helm import NAMESPACE, RELEASE, Manifests
from tests.integration.harness.policy import BINDINGS, POLICIES
from tests.integration.harness.running import kubeconfig
from tests.kube.api import Api
from tests.kube.client import JSON, MERGE_PATCH, ApiError, Object
from tests.kube.eventually import eventually

NAME = f"{RELEASE}-account"
# What no operator does.
_FOREIGN: Object = {"metadata": {"name": "probe"}}


def put(api: Api, manifests: Manifests) -> None:
    """Makes the policy. The API server takes it up a moment later: `wait_in_force`."""
    api.create(POLICIES, manifests.one("ValidatingAdmissionPolicy", NAME))
    api.create(BINDINGS, manifests.one("ValidatingAdmissionPolicyBinding", NAME))


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
            client.create("/api/v1/namespaces/default/secrets?dryRun=All", _FOREIGN)
        except ApiError as error:
            return NAME in error.message
        return False

    eventually(lambda: refused() is not absent, "the policy being dropped" if absent else "the policy being in force")
