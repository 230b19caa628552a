"""The merge patch of a status."""

from typing import Any


def status_changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """The merge patch from ``old`` to ``new``: changed fields, and None for removed ones."""
    changes: dict[str, Any] = {}
    for key in old.keys() | new.keys():
        if old.get(key) != new.get(key):
            changes[key] = _merge_patch(old.get(key), new.get(key))
    return changes


def _merge_patch(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {
        key: _merge_patch(old.get(key), new.get(key)) for key in old.keys() | new.keys() if old.get(key) != new.get(key)
    }
