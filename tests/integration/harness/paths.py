"""Where things are on the API server."""

from __future__ import annotations

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def environments(namespace: str) -> str:
    """Path of a namespace's environments."""
    return f"/apis/dind.dev/v1alpha1/namespaces/{namespace}/dindenvironments"


def pods(namespace: str) -> str:
    """Path of a namespace's pods."""
    return f"/api/v1/namespaces/{namespace}/pods"
