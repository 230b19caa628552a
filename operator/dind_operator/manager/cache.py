"""The newest objects known: Kopf's indices, with our own reads and writes laid over them.

An index lags behind what we just wrote, and after a lost watch it keeps objects that are gone. What was read live or
stored is therefore kept here until the index has caught up (a resourceVersion at least as new), or, for an object that is
known to be gone, until the index shows another one.

The indices hold their objects packed: they are most of the operator's memory.
"""

from typing import Any, Protocol

from dind_operator.manager.packed import Manifest, Packed
from dind_operator.state.cluster import Key

Item = Manifest | Packed


class Index(Protocol):
    """What is used of a Kopf index: zero or more objects under each key."""

    def get(self, key: Any, default: Any = None) -> Any:
        """The collection under ``key``."""

    def __iter__(self) -> Any:
        """The keys."""


class Layer:
    """One kind of object."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._learnt: dict[Key, Manifest] = {}
        self._ghosts: dict[Key, set[str]] = {}
        # The objects whose end became known while the latest lists were read.
        self._ended: set[str] = set()

    def newest(self, key: Key) -> Manifest | None:
        """The newest object known under ``key``; None if there is none."""
        item = self._newest(key)
        return item.manifest if isinstance(item, Packed) else item

    def _newest(self, key: Key) -> Item | None:
        indexed = self._indexed(key)
        learnt = self._learnt.get(key)
        if learnt is None:
            return indexed
        if indexed is not None and version_of(indexed) >= version_of(learnt):
            del self._learnt[key]
            return indexed
        return learnt

    def learn(self, key: Key, manifest: Manifest) -> None:
        """Remember what was read live or stored."""
        self._revive(key, uid_of(manifest))
        known = self._learnt.get(key)
        if known is None or version_of(known) <= version_of(manifest):
            self._learnt[key] = manifest

    def miss(self, key: Key, uid: str) -> None:
        """The object with this uid does not exist. Another may have its name by the time that answer is here."""
        self._ended.add(uid)
        learnt = self._learnt.get(key)
        if learnt is not None and uid_of(learnt) == uid:
            del self._learnt[key]
        if any(uid_of(item) == uid for item in self._index.get(key) or ()):
            self._ghosts.setdefault(key, set()).add(uid)

    def forget(self, key: Key, uid: str) -> None:
        """A watch told that the object with this uid is gone."""
        self._ended.add(uid)
        learnt = self._learnt.get(key)
        if learnt is not None and uid_of(learnt) == uid:
            del self._learnt[key]
        self._revive(key, uid)

    def settle(self, key: Key) -> None:
        """A watch has told something: drop what it has caught up with, or it would be kept until the next look."""
        self._newest(key)

    def known(self) -> set[Key]:
        """Everything known to exist."""
        keys = set(self._index) | set(self._learnt)
        return {key for key in keys if self._newest(key) is not None}

    def on_nodes(self) -> list[Manifest]:
        """Everything known that may have a folder of a node. Few do, so only those are unpacked."""
        items = (self._newest(key) for key in self.known())
        return [
            item.manifest if isinstance(item, Packed) else item
            for item in items
            if item is not None and not (isinstance(item, Packed) and not item.on_node)
        ]

    def begin_listing(self) -> None:
        """Call this before a list of these objects is read."""
        self._ended.clear()

    def existing(self, listed: dict[Key, Manifest]) -> dict[Key, Manifest]:
        """The listed objects without those that were deleted after the list was read: no watch will report those again."""
        return {key: manifest for key, manifest in listed.items() if uid_of(manifest) not in self._ended}

    def compare(self, listed: dict[Key, Manifest], version: int) -> set[Key]:
        """Learn from a complete live list; returns the keys of which something else was believed."""
        changed = set()
        for key, manifest in listed.items():
            known = self._newest(key)
            if known is None or version_of(known) < version_of(manifest):
                self.learn(key, manifest)
                changed.add(key)
        for key in self.known() - listed.keys():
            known = self._newest(key)
            if known is not None and version_of(known) <= version:
                self.miss(key, uid_of(known))
                changed.add(key)
        return changed

    def behind(self, key: Key, version: int) -> bool:
        """The watch has not shown this version of the object, nor a later one."""
        indexed = self._indexed(key)
        return indexed is None or version_of(indexed) < version

    def _indexed(self, key: Key) -> Item | None:
        """What the index has of an object that exists. It holds a ghost beside the object that took its name."""
        items: list[Item] = list(self._index.get(key) or ())
        if not items:
            self._ghosts.pop(key, None)
            return None
        newest = max(items, key=version_of)
        if len(items) > 1:
            self._ghosts.setdefault(key, set()).update(uid_of(item) for item in items if item is not newest)
        return None if uid_of(newest) in self._ghosts.get(key, ()) else newest

    def _revive(self, key: Key, uid: str) -> None:
        ghosts = self._ghosts.get(key)
        if ghosts is not None:
            ghosts.discard(uid)
            if not ghosts:
                del self._ghosts[key]


class ClusterView:
    """Implements ``reconcile.view.View``."""

    def __init__(self, environments: Index, pods: Index, namespaces: Index) -> None:
        self.environments = Layer(environments)
        self.pods = Layer(pods)
        self.namespaces = Layer(namespaces)

    def environment(self, key: Key) -> Manifest | None:
        """The newest environment known."""
        return self.environments.newest(key)

    def pod(self, key: Key) -> Manifest | None:
        """The newest pod known."""
        return self.pods.newest(key)

    def namespace(self, name: str) -> Manifest | None:
        """The newest namespace known."""
        return self.namespaces.newest(namespace_key(name))

    def environments_on_nodes(self) -> list[Manifest]:
        """See ``View``."""
        return self.environments.on_nodes()

    def pods_on_nodes(self) -> list[Manifest]:
        """See ``View``."""
        return self.pods.on_nodes()

    def learn_environment(self, key: Key, manifest: Manifest) -> None:
        """Remember what was read live or stored."""
        self.environments.learn(key, manifest)

    def miss_environment(self, key: Key, uid: str) -> None:
        """The environment with this uid does not exist."""
        self.environments.miss(key, uid)

    def learn_pod(self, key: Key, manifest: Manifest) -> None:
        """Remember what was read live or stored."""
        self.pods.learn(key, manifest)

    def miss_pod(self, key: Key, uid: str) -> None:
        """The pod with this uid does not exist."""
        self.pods.miss(key, uid)


def key_of(manifest: Manifest) -> Key:
    """Namespace (empty for what is in none) and name."""
    return manifest["metadata"].get("namespace") or "", manifest["metadata"]["name"]


def namespace_key(name: str) -> Key:
    """The key of a namespace itself."""
    return "", name


def uid_of(item: Item) -> str:
    """The uid."""
    return str(_metadata_of(item)["uid"])


def version_of(item: Item) -> int:
    """The resourceVersion as a number, as every API server that is backed by etcd writes it; -1 if it is none."""
    text = str(_metadata_of(item).get("resourceVersion", ""))
    return int(text) if text.isdigit() else -1


def _metadata_of(item: Item) -> Manifest:
    return item.metadata if isinstance(item, Packed) else item["metadata"]
