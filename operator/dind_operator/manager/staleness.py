"""Whether a watch still shows anything. One that is dead without knowing it looks like one with nothing to tell."""

from dind_operator.manager.cache import Item, Layer, version_of
from dind_operator.state.cluster import Key


class Staleness:
    """Compares a watch with what the resyncs list. ``what`` names the watched objects in a sentence."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._expected: dict[Key, int] = {}
        self._behind: Key | None = None

    def compare(self, layer: Layer, listed: dict[Key, Item]) -> None:
        """What the resync before listed, the watch must have shown by now, unless it is gone."""
        late = (key for key, version in self._expected.items() if key in listed and layer.behind(key, version))
        self._behind = next(late, None)
        self._expected = {key: version_of(manifest) for key, manifest in listed.items()}

    def problem(self, layer: Layer) -> str | None:
        """A sentence, or None if the watch has shown by now what it owed."""
        key = self._behind
        if key is None or layer.newest(key) is None or not layer.behind(key, self._expected.get(key, 0)):
            return None
        return f"the watch of {self._what} is behind since the resync before last ({'/'.join(filter(None, key))})"
