"""The newest state of every object that is known to exist: filled by the first complete list, kept by the watches.

Later lists correct it: what vanished while a watch was lost is in no event. What we read live or stored ourselves is newer than
what the watch has reported so far, so the higher resourceVersion wins, wherever it comes from.

Objects are held packed: they are most of the operator's memory.
"""

from dind_operator.manager.packed import Manifest, Packed
from dind_operator.state.cluster import Key

Item = Manifest | Packed


class Layer:
    """One kind of object."""

    def __init__(self) -> None:
        self._objects: dict[Key, Item] = {}
        self._by_namespace: dict[str, set[Key]] = {}
        # The resourceVersion that the watch has reported of each object.
        self._reported: dict[Key, int] = {}
        # Objects that do not exist, of which the watch may still report older states: found since the latest list, and before it.
        self._gone: set[str] = set()
        self._gone_before: set[str] = set()
        # The objects whose end became known while the latest lists were read.
        self._ended: set[str] = set()

    def newest(self, key: Key) -> Manifest | None:
        """The newest object known under ``key``; None if there is none."""
        item = self._objects.get(key)
        return item.manifest if isinstance(item, Packed) else item

    def known(self) -> set[Key]:
        """Everything known to exist."""
        return set(self._objects)

    def within(self, namespace: str) -> set[Key]:
        """Everything known to exist in a namespace."""
        return set(self._by_namespace.get(namespace, ()))

    def on_nodes(self) -> list[Manifest]:
        """Everything known that may have a directory of a node. Few do, so only those are unpacked."""
        return [
            item.manifest if isinstance(item, Packed) else item
            for item in self._objects.values()
            if not (isinstance(item, Packed) and not item.on_node)
        ]

    # What the watch reports

    def report(self, key: Key, manifest: Manifest) -> None:
        """The watch reports a state of an object."""
        if uid_of(manifest) in self._gone or uid_of(manifest) in self._gone_before:
            return
        version = version_of(manifest)
        self._reported[key] = max(version, self._reported.get(key, -1))
        known = self._objects.get(key)
        # A state that is held packed already need not be packed again.
        if not isinstance(known, Packed) or version_of(known) < version or version < 0:
            self._keep(key, Packed.of(manifest))

    def forget(self, key: Key, uid: str) -> None:
        """The watch reports that the object with this uid is deleted. Another may have its name by now."""
        self._ended.add(uid)
        self._gone.discard(uid)
        self._gone_before.discard(uid)
        self._drop(key, uid)

    def behind(self, key: Key, version: int) -> bool:
        """The watch has not reported this version of the object, nor a later one."""
        return self._reported.get(key, -1) < version

    # What we read live or stored

    def learn(self, key: Key, manifest: Manifest) -> None:
        """Remember what was read live or stored. The watch reports it soon, so it is not packed yet."""
        self._gone.discard(uid_of(manifest))
        self._gone_before.discard(uid_of(manifest))
        self._keep(key, manifest)

    def miss(self, key: Key, uid: str) -> None:
        """The object with this uid does not exist. Another may have its name by the time that answer is here."""
        self._ended.add(uid)
        self._gone.add(uid)
        self._drop(key, uid)

    # What is listed

    def begin_listing(self) -> None:
        """Call this before a list of these objects is read."""
        self._ended.clear()
        self._gone_before, self._gone = self._gone, set()

    def listed(self, manifest: Manifest) -> tuple[Key, Item]:
        """The key of a listed object, and the object as it is kept: what is known already is not packed again."""
        key = key_of(manifest)
        known = self._objects.get(key)
        same = isinstance(known, Packed) and version_of(known) == version_of(manifest) >= 0
        return key, known if same and known is not None else Packed.of(manifest)

    def existing(self, listed: dict[Key, Item]) -> dict[Key, Item]:
        """The listed objects without those that were deleted after the list was read: no watch will report those again."""
        return {key: manifest for key, manifest in listed.items() if uid_of(manifest) not in self._ended}

    def compare(self, listed: dict[Key, Item], version: int) -> set[Key]:
        """Learn from a complete live list; returns the keys of which something else was believed."""
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


class ClusterView:
    """Implements ``controller.cache_reader.View``."""

    def __init__(self) -> None:
        self.environments = Layer()
        self.pods = Layer()
        self.namespaces = Layer()

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
