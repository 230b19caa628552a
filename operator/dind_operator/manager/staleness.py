"""Detects watches that have silently stopped, by comparing them with the lists of the resyncs."""

from dind_operator.manager.cache import Item, Layer, version_of
from dind_operator.state.cluster import Key


class Staleness:
    """Compares one watch with the lists of the resyncs. ``what`` names the watched objects in messages."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._expected: dict[Key, int] = {}
        self._behind: Key | None = None

    def compare(self, layer: Layer, listed: dict[Key, Item]) -> None:
        """The watch must have reported all that the previous resync listed, except for objects that were deleted meanwhile."""
        missing = (key for key, version in self._expected.items() if key in listed and layer.behind(key, version))
        self._behind = next(missing, None)
        self._expected = {key: version_of(manifest) for key, manifest in listed.items()}

    def problem(self, layer: Layer) -> str | None:
        """A message; None if the watch has reported everything by now."""
        key = self._behind
        if key is None or layer.newest(key) is None or not layer.behind(key, self._expected.get(key, 0)):
            return None
        return f"the watch of {self._what} has not reported the state of {'/'.join(filter(None, key))} that a previous resync listed"
