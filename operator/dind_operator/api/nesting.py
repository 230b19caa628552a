"""How deeply values are nested. `spec.daemon.config` is a free map, and a schema cannot bound the depth of its values.

Encoding, copying or validating a value that is nested some thousand levels deep ends in a RecursionError, wherever that happens
to be. So values are cut where an object comes in, and an environment whose values were cut is invalid.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

MAX_DEPTH: Final = 32
"""The deepest setting of dockerd has six levels (builder.gc.policy)."""
CUT: Final = "(nested too deeply)"
"""Stands for a value below ``MAX_DEPTH``."""


_NESTED: Final = frozenset((dict, list))

_Value = TypeVar("_Value")


def limited(value: _Value, depth: int = MAX_DEPTH) -> _Value:
    """The value, with ``CUT`` for everything that is nested more deeply; the same object if nothing is."""
    if not isinstance(value, dict | list) or not deeper(value, depth):
        return value
    return cast("_Value", _cut(value, depth))


def deeper(value: Any, depth: int) -> bool:
    """Whether the value has more levels than ``depth``. Level by level: it may have more than the interpreter's stack."""
    # The exact types, because this is done for each object that comes in, and isinstance takes three times as long.
    level = [value] if type(value) in _NESTED else []
    for _ in range(depth):
        level = [
            item
            for above in level
            for item in (above.values() if type(above) is dict else above)
            if type(item) in _NESTED
        ]
        if not level:
            return False
    return True


def _cut(value: Any, depth: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        return CUT
    if isinstance(value, dict):
        return {key: _cut(item, depth - 1) for key, item in value.items()}
    return [_cut(item, depth - 1) for item in value]
