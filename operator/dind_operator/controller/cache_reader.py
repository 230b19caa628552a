"""The watch cache as reconciliation uses it. Implemented by ``manager.cache``."""

from typing import Any, Protocol

from dind_operator.state.cluster import Key


class View(Protocol):
    """The watch cache, updated with the reads and writes of the operator."""

    def environment(self, key: Key) -> dict[str, Any] | None:
        """The newest known environment."""

    def pod(self, key: Key) -> dict[str, Any] | None:
        """The newest known pod."""

    def namespace(self, name: str) -> dict[str, Any] | None:
        """The newest known namespace."""

    def occupied(self, namespace: str) -> bool:
        """Whether the namespace contains an environment or a pod of one."""

    def environments_on_nodes(self) -> list[dict[str, Any]]:
        """At least all environments with a directory of a node."""

    def pods_on_nodes(self) -> list[dict[str, Any]]:
        """At least all pods with a directory of a node."""

    def learn_environment(self, key: Key, manifest: dict[str, Any]) -> None:
        """Cache an object that was read live or written."""

    def miss_environment(self, key: Key, uid: str) -> None:
        """The environment with this uid does not exist."""

    def learn_pod(self, key: Key, manifest: dict[str, Any]) -> None:
        """Cache an object that was read live or written."""

    def miss_pod(self, key: Key, uid: str) -> None:
        """The pod with this uid does not exist."""
