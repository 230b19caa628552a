"""Environments as the API has them, at points of their life."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def condition(kind: str, status: str, reason: str, message: str = "", generation: int = 1) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}


def environment(
    *conditions: Object, spec: Object | None = None, status: Object | None = None, **metadata: Any
) -> Object:
    """Called "one", of generation 1."""
    return {
        "apiVersion": "dind.dev/v1alpha1",
        "kind": "DindEnvironment",
        "metadata": {"name": "one", "namespace": "builds", "uid": "u1", "generation": 1, **metadata},
        "spec": spec or {},
        "status": {"conditions": list(conditions), **(status or {})},
    }


READY = condition("Ready", "True", "Ready")
ENDPOINT = condition("EndpointReady", "True", "EndpointReady")
SUSPENDED = condition("Ready", "False", "Suspended")


def usable(**metadata: Any) -> Object:
    return environment(READY, ENDPOINT, status={"phase": "Running"}, **metadata)


def pod(uid: str = "p1", owner: str = "u1", *, ready: bool = True) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one", "namespace": "builds", "uid": uid, "ownerReferences": [{"uid": owner}]},
        "status": {"containerStatuses": [{"name": "daemon", "ready": ready}]},
    }


def both(uid: str = "p1") -> Object:
    """As `kubectl get` answers for an environment and its pod."""
    return {"kind": "List", "items": [usable(), pod(uid)]}
