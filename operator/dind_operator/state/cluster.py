"""What reconciling needs of a cluster, and nothing more. Implemented by ``manager.client``."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

Key = tuple[str, str]
"""Namespace and name of an environment (and of its pod)."""


class ObjectKind(StrEnum):
    """What an environment owns beside its pod, by the API's plural. All are read by name, and never listed or watched."""

    SECRET = "secrets"  # noqa: S105 - the name of a kind
    SERVICE = "services"
    NETWORK_POLICY = "networkpolicies"
    POD_DISRUPTION_BUDGET = "poddisruptionbudgets"

    @property
    def api_kind(self) -> str:
        """The ``kind`` of its manifests."""
        return _API_KINDS[self]


_API_KINDS = {
    ObjectKind.SECRET: "Secret",
    ObjectKind.SERVICE: "Service",
    ObjectKind.NETWORK_POLICY: "NetworkPolicy",
    ObjectKind.POD_DISRUPTION_BUDGET: "PodDisruptionBudget",
}


@dataclass(frozen=True, slots=True)
class Event:
    """An Event to record on an environment. ``warning`` chooses its type."""

    reason: str
    message: str
    warning: bool


class Cluster(Protocol):
    """Live calls. Each may raise ClusterError."""

    async def environment(self, key: Key) -> dict[str, Any] | None:
        """Read live; None if absent."""

    async def pod(self, key: Key) -> dict[str, Any] | None:
        """Read live; None if absent."""

    async def node(self, name: str) -> dict[str, Any] | None:
        """Read live; None if absent."""

    async def create_pod(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create; returns the stored object."""

    async def delete_pod(self, key: Key, uid: str, *, force: bool) -> None:
        """Delete if the uid still is the one named. ``force``: with no grace period, for a node that is gone."""

    async def delete_environment(self, seen: dict[str, Any]) -> None:
        """Delete the environment if it still is as it was seen, in uid and resourceVersion, else CONFLICT."""

    async def patch_pod_metadata(self, key: Key, seen: dict[str, Any], metadata: dict[str, Any]) -> dict[str, Any]:
        """Merge labels and annotations if the pod still is as it was seen, else CONFLICT; returns the stored object."""

    async def patch_status(self, key: Key, seen: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
        """Merge into status if the environment still is as it was seen, else CONFLICT; returns the stored object."""

    async def owned(self, kind: ObjectKind, key: Key) -> dict[str, Any] | None:
        """Read an object by namespace and name; None if absent."""

    async def create_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create; returns the stored object."""

    async def replace_owned(self, kind: ObjectKind, manifest: dict[str, Any]) -> dict[str, Any]:
        """Replace the object of that uid and resourceVersion, else CONFLICT; returns the stored object."""

    async def delete_owned(self, kind: ObjectKind, seen: dict[str, Any]) -> None:
        """Delete if the uid still is that of what was seen."""

    async def daemon_log_head(self, key: Key) -> str:
        """The first lines of the daemon's log, bounded."""

    async def daemon_log_tail(self, key: Key) -> str:
        """The last lines of the daemon's log, bounded."""

    async def record(self, environment: dict[str, Any], event: Event) -> None:
        """Record an Event; best effort."""
