"""The requests to a cluster that reconciliation needs. Implemented by ``manager.client``."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Key = tuple[str, str]
"""Namespace and name of an environment (and of its pod)."""


class ObjectKind(StrEnum):
    """Kinds of owned objects other than the pod, by their plural. They are read by name, and never listed or watched."""

    SECRET = "secrets"  # noqa: S105 - the name of a kind
    SERVICE = "services"
    NETWORK_POLICY = "networkpolicies"
    POD_DISRUPTION_BUDGET = "poddisruptionbudgets"

    @property
    def api_kind(self) -> str:
        """The ``kind`` in manifests."""
        return _API_KINDS[self]


_API_KINDS = {
    ObjectKind.SECRET: "Secret",
    ObjectKind.SERVICE: "Service",
    ObjectKind.NETWORK_POLICY: "NetworkPolicy",
    ObjectKind.POD_DISRUPTION_BUDGET: "PodDisruptionBudget",
}


@dataclass(frozen=True, slots=True)
class Event:
    """An Event to record on an environment. ``warning``: its type is Warning, otherwise Normal."""

    reason: str
    message: str
    warning: bool


class Cluster(Protocol):
    """Live requests. Each may raise ClusterError."""

    async def environment(self, key: Key) -> dict[str, Any] | None:
        """Read live; None if absent."""

    async def pod(self, key: Key) -> dict[str, Any] | None:
        """Read live; None if absent."""

    async def node(self, name: str) -> dict[str, Any] | None:
        """Read live; None if absent."""

    async def create_pod(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create; returns the stored object."""

    async def delete_pod(self, key: Key, uid: str, *, force: bool) -> None:
        """Delete the pod with this uid. ``force``: without a grace period, for a node that is gone."""

    async def delete_environment(self, seen: dict[str, Any]) -> None:
        """Delete the environment with the uid and resourceVersion of ``seen``, else CONFLICT."""

    async def patch_pod_metadata(self, key: Key, seen: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
        """Merge labels and annotations if the pod is unchanged since ``seen``, else CONFLICT; returns the stored object."""

    async def patch_status(self, key: Key, seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Merge into status if the environment is unchanged since ``seen``, else CONFLICT; returns the stored object."""

    async def owned(self, kind: ObjectKind, key: Key) -> dict[str, Any] | None:
        """Read an object by namespace and name; None if absent."""

    async def create_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create; returns the stored object."""

    async def replace_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        """Replace the object with the same uid and resourceVersion, else CONFLICT; returns the stored object."""

    async def delete_owned(self, kind: ObjectKind, seen: dict[str, Any]) -> None:
        """Delete the object with the uid of ``seen``."""

    async def daemon_log_head(self, key: Key) -> str:
        """The first lines of the daemon's log, bounded."""

    async def daemon_log_tail(self, key: Key) -> str:
        """The last lines of the daemon's log, bounded."""

    async def record(self, environment: dict[str, Any], event: Event) -> None:
        """Record an Event; best effort."""
