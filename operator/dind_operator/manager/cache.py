"""The cache: the newest known state of every object. The first complete list fills it, and the watches update it.

Later lists correct it, because watches miss deletions while they are interrupted. Objects that the operator has read from or
written to the API server can be newer than the events of the watch. Of all states, that with the highest resourceVersion counts.

The objects are compressed, because they take most of the memory of the operator.
"""

from dind_operator.api.nesting import limited
from dind_operator.manager.packed import Manifest, Packed
from dind_operator.state.cluster import Key

Item = Manifest | Packed


class Layer:
    """The cached objects of one resource."""

    def __init__(self) -> None:
        self._objects: dict[Key, Item] = {}
        self._by_namespace: dict[str, set[Key]] = {}
        # The last resourceVersion of each object that the watch has reported.
        self._reported: dict[Key, int] = {}
        # The UIDs of deleted objects of which the watch can still report old states: detected since the last list, and before it.
        self._gone: set[str] = set()
        self._gone_before: set[str] = set()
        # The UIDs of the objects whose deletion was detected while the last list was read.
        self._deleted: set[str] = set()

    def newest(self, key: Key) -> Manifest | None:
        """The newest known state of the object; None if there is none."""
        item = self._objects.get(key)
        return item.manifest if isinstance(item, Packed) else item

    def known(self) -> set[Key]:
        """The keys of all objects."""
        return set(self._objects)

    def within(self, namespace: str) -> set[Key]:
        """The keys of all objects in a namespace."""
        return set(self._by_namespace.get(namespace, ()))

    def any_within(self, namespace: str) -> bool:
        """Whether there is an object in the namespace."""
        return namespace in self._by_namespace

    def on_nodes(self) -> list[Manifest]:
        """All objects that may use a directory of a node (hostPath). Only these are decompressed."""
        return [
            item.manifest if isinstance(item, Packed) else item
            for item in self._objects.values()
            if not (isinstance(item, Packed) and not item.on_node)
        ]

    # Events of the watch

    def report(self, key: Key, manifest: Manifest) -> bool:
        """The watch has reported a state of an object. Returns whether it differs from the cached one."""
        if uid_of(manifest) in self._gone or uid_of(manifest) in self._gone_before:
            return True
        version = version_of(manifest)
        self._reported[key] = max(version, self._reported.get(key, -1))
        known = self._objects.get(key)
        # A state that is already cached is not compressed again.
        if not isinstance(known, Packed) or version_of(known) < version or version < 0:
            self._keep(key, Packed.of(manifest))
        return known is None or version_of(known) != version or version < 0

    def forget(self, key: Key, uid: str) -> None:
        """The watch has reported the deletion of the object with this UID. A new object may already have its name."""
        self._deleted.add(uid)
        self._gone.discard(uid)
        self._gone_before.discard(uid)
        self._drop(key, uid)

    def behind(self, key: Key, version: int) -> bool:
        """Whether the watch has reported neither this version of the object nor a later one."""
        return self._reported.get(key, -1) < version

    # Reads and writes of the operator

    def learn(self, key: Key, manifest: Manifest) -> None:
        """Cache the response to a read or write. It is not compressed, because the watch reports the same state soon."""
        self._gone.discard(uid_of(manifest))
        self._gone_before.discard(uid_of(manifest))
        self._keep(key, manifest)

    def miss(self, key: Key, uid: str) -> None:
        """The object with this UID does not exist. A new object may already have its name."""
        self._deleted.add(uid)
        self._gone.add(uid)
        self._drop(key, uid)

    # Lists

    def begin_listing(self) -> None:
        """Must be called before a list of these objects is read."""
        self._deleted.clear()
        self._gone_before, self._gone = self._gone, set()

    def listed(self, manifest: Manifest) -> tuple[Key, Item]:
        """The key of a listed object, and the compressed object. If the cache contains the same state, it is reused."""
        key = key_of(manifest)
        known = self._objects.get(key)
        same = isinstance(known, Packed) and version_of(known) == version_of(manifest) >= 0
        return key, known if same and known is not None else Packed.of(manifest)

    def existing(self, listed: dict[Key, Item]) -> dict[Key, Item]:
        """The listed objects without those that were deleted after the list was read."""
        return {key: manifest for key, manifest in listed.items() if uid_of(manifest) not in self._deleted}

    def compare(self, listed: dict[Key, Item], version: int) -> set[Key]:
        """Correct the cache from a complete list. Returns the keys of the objects whose cached state was outdated."""
        changed = set()
        for key, item in listed.items():
            known = self._objects.get(key)
            if known is None or version_of(known) < version_of(item):
                self._keep(key, item)
                changed.add(key)
        for key in self._objects.keys() - listed.keys():
            known = self._objects[key]
            if version_of(known) <= version:
                self.miss(key, uid_of(known))
                changed.add(key)
        return changed

    def _keep(self, key: Key, item: Item) -> None:
        known = self._objects.get(key)
        if known is not None and version_of(known) > version_of(item):
            return
        self._objects[key] = item
        self._by_namespace.setdefault(key[0], set()).add(key)

    def _drop(self, key: Key, uid: str) -> None:
        known = self._objects.get(key)
        if known is None or uid_of(known) != uid:
            return
        del self._objects[key]
        self._reported.pop(key, None)
        keys = self._by_namespace[key[0]]
        keys.discard(key)
        if not keys:
            del self._by_namespace[key[0]]


class EnvironmentLayer(Layer):
    """The cached environments. A tenant writes them, so their values are cut where they come in (``api.nesting``)."""

    def report(self, key: Key, manifest: Manifest) -> bool:
        """See ``Layer``."""
        return super().report(key, limited(manifest))

    def learn(self, key: Key, manifest: Manifest) -> None:
        """See ``Layer``."""
        super().learn(key, limited(manifest))

    def listed(self, manifest: Manifest) -> tuple[Key, Item]:
        """See ``Layer``."""
        return super().listed(limited(manifest))


class ClusterView:
    """Implements ``controller.cache_reader.View``."""

    def __init__(self) -> None:
        self.environments = EnvironmentLayer()
        self.pods = Layer()
        self.namespaces = Layer()

    def environment(self, key: Key) -> Manifest | None:
        """The newest known state of the environment."""
        return self.environments.newest(key)

    def pod(self, key: Key) -> Manifest | None:
        """The newest known state of the pod."""
        return self.pods.newest(key)

    def namespace(self, name: str) -> Manifest | None:
        """The newest known state of the namespace."""
        return self.namespaces.newest(namespace_key(name))

    def occupied(self, namespace: str) -> bool:
        """See ``View``."""
        return self.environments.any_within(namespace) or self.pods.any_within(namespace)

    def environments_on_nodes(self) -> list[Manifest]:
        """See ``View``."""
        return self.environments.on_nodes()

    def pods_on_nodes(self) -> list[Manifest]:
        """See ``View``."""
        return self.pods.on_nodes()

    def learn_environment(self, key: Key, manifest: Manifest) -> None:
        """Cache the response to a read or write."""
        self.environments.learn(key, manifest)

    def miss_environment(self, key: Key, uid: str) -> None:
        """The environment with this UID does not exist."""
        self.environments.miss(key, uid)

    def learn_pod(self, key: Key, manifest: Manifest) -> None:
        """Cache the response to a read or write."""
        self.pods.learn(key, manifest)

    def miss_pod(self, key: Key, uid: str) -> None:
        """The pod with this UID does not exist."""
        self.pods.miss(key, uid)


def key_of(manifest: Manifest) -> Key:
    """The namespace (empty for cluster-scoped objects) and the name."""
    return manifest["metadata"].get("namespace") or "", manifest["metadata"]["name"]


def namespace_key(name: str) -> Key:
    """The key of a namespace."""
    return "", name


def uid_of(item: Item) -> str:
    """The UID."""
    return str(_metadata_of(item)["uid"])


def version_of(item: Item) -> int:
    """The resourceVersion as a number, which it is in all API servers with etcd; -1 if it is not a number."""
    text = str(_metadata_of(item).get("resourceVersion", ""))
    return int(text) if text.isdigit() else -1


def _metadata_of(item: Item) -> Manifest:
    return item.metadata if isinstance(item, Packed) else item["metadata"]
