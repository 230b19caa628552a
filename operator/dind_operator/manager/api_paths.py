"""Where the API server has what the operator asks for, and what makes a call conditional."""

from typing import Any

from dind_operator.api import names
from dind_operator.state.cluster import Key, ObjectKind

_GROUPS = {
    ObjectKind.NETWORK_POLICY: "/apis/networking.k8s.io/v1",
    ObjectKind.POD_DISRUPTION_BUDGET_READY: "/apis/policy/v1",
}
"""Of what is not in the core group."""


def identity(seen: dict[str, Any]) -> dict[str, Any]:
    """Makes a patch a conditional one. The uid alone does not: of a custom resource's status patch the API server drops it,
    and for a pod's metadata it says that a wrong one is invalid, as if it were to be changed. The version is asked first."""
    return {field: seen["metadata"][field] for field in ("uid", "resourceVersion")}


def environment_path(key: Key) -> str:
    """Of an environment."""
    return f"/apis/{names.API_VERSION}/namespaces/{key[0]}/{names.PLURAL}/{key[1]}"


def pod_path(key: Key) -> str:
    """Of its pod."""
    return f"/api/v1/namespaces/{key[0]}/pods/{key[1]}"


def owned_path(kind: ObjectKind, namespace: str, name: str = "") -> str:
    """Of an object that an environment owns beside its pod; without a name, of where such are created."""
    return f"{_GROUPS.get(kind, '/api/v1')}/namespaces/{namespace}/{kind.value}" + (f"/{name}" if name else "")


def delete_options(uid: str) -> dict[str, Any]:
    """Delete that very object and no other of its name."""
    return {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": uid},
        "propagationPolicy": "Background",
    }
