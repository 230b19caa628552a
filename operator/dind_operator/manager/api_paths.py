"""Paths of the API, and preconditions of requests."""

from typing import Any

from dind_operator.api import names
from dind_operator.state.cluster import Key, ObjectKind

_GROUPS = {
    ObjectKind.NETWORK_POLICY: "/apis/networking.k8s.io/v1",
    ObjectKind.POD_DISRUPTION_BUDGET: "/apis/policy/v1",
}
"""The paths of the API groups other than the core group."""


def identity(seen: dict[str, Any]) -> dict[str, Any]:
    """The metadata that makes a patch conditional.

    The UID alone is not sufficient: the API server ignores it in a status patch of a custom resource, and reports a different UID
    in a patch of a pod as an invalid change. It checks the resourceVersion first.
    """
    return {field: seen["metadata"][field] for field in ("uid", "resourceVersion")}


def environment_path(key: Key) -> str:
    """The path of an environment."""
    return f"/apis/{names.API_VERSION}/namespaces/{key[0]}/{names.PLURAL}/{key[1]}"


def pod_path(key: Key) -> str:
    """The path of the pod of an environment."""
    return f"/api/v1/namespaces/{key[0]}/pods/{key[1]}"


def owned_path(kind: ObjectKind, namespace: str, name: str = "") -> str:
    """The path of another object of an environment; without a name, the path of the collection."""
    return f"{_GROUPS.get(kind, '/api/v1')}/namespaces/{namespace}/{kind.value}" + (f"/{name}" if name else "")


def delete_options(uid: str) -> dict[str, Any]:
    """Options to delete the object only if it has this UID."""
    return {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": uid},
        "propagationPolicy": "Background",
    }
