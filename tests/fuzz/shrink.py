"""The smallest object that still shows a fault, as far as a few tries find it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

_TRIES = 300
# Deeper than any field of the spec; values that are nested more deeply are taken away as a whole.
_DEPTH = 14
_SHORT = 16


def shrunk(body: dict[str, Any], shows: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The object without what is not needed for ``shows``. The object itself is not changed."""
    best, tries, found = body, 0, True
    while found:
        found = False
        for path in list(_paths(best)):
            for smaller in _smaller(best, path):
                tries += 1
                if tries > _TRIES:
                    return best
                if shows(smaller):
                    best, found = smaller, True
                    break
            if found:
                break
    return best


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Outer ones first: what goes as a whole is gone soonest."""
    if len(path) > _DEPTH:
        return
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    for key, _ in inner:
        if path or key == "spec":
            yield (*path, key)
    for key, child in inner:
        if path or key == "spec":
            yield from _paths(child, (*path, key))


def _smaller(body: dict[str, Any], path: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """The object without the value at the path, and with a shorter text there."""
    without = _copied(body, path)
    del _at(without, path[:-1])[path[-1]]
    yield without
    text = _at(body, path)
    if isinstance(text, str) and len(text) > _SHORT:
        shorter = _copied(body, path)
        _at(shorter, path[:-1])[path[-1]] = text[: len(text) // 2]
        yield shorter


def _copied(body: Any, path: tuple[Any, ...]) -> Any:
    """Copied along the path alone: what is nested too deeply cannot be copied."""
    made = copy.copy(body)
    if path:
        made[path[0]] = _copied(body[path[0]], path[1:])
    return made


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value
