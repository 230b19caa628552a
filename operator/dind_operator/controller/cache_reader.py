"""What reconciling asks of the watch cache. Implemented by ``runtime.view``."""

from typing import Any, Protocol

from dind_operator.state.cluster import Key


class View(Protocol):
    """The watch cache with our own reads and writes laid over it."""

    def environment(self, key: Key) -> dict[str, Any] | None:
        """The newest environment known."""

    def pod(self, key: Key) -> dict[str, Any] | None:
        """The newest pod known."""

    def namespace(self, name: str) -> dict[str, Any] | None:
        """The newest namespace known."""

    def environments_on_nodes(self) -> list[dict[str, Any]]:
        """At least every environment that asks for a folder of a node."""

    def pods_on_nodes(self) -> list[dict[str, Any]]:
        """At least every pod that has one."""

    def learn_environment(self, key: Key, manifest: dict[str, Any]) -> None:
        """Remember what was read live or stored."""

    def miss_environment(self, key: Key, uid: str) -> None:
        """The environment with this uid does not exist."""

    def learn_pod(self, key: Key, manifest: dict[str, Any]) -> None:
        """Remember what was read live or stored."""

    def miss_pod(self, key: Key, uid: str) -> None:
        """The pod with this uid does not exist."""
