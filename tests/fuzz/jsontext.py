"""JSON of values that are nested more deeply than the encoder of Python follows."""

from __future__ import annotations

import json
from typing import Any


def encode(value: Any) -> str:
    """As ``json.dumps``, level by level."""
    parts: list[str] = []
    todo: list[Any] = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, _Text):
            parts.append(item)
        elif isinstance(item, dict):
            todo += reversed(
                _separated("{", "}", [[_Text(json.dumps(key) + ":"), inner] for key, inner in item.items()])
            )
        elif isinstance(item, list):
            todo += reversed(_separated("[", "]", [[inner] for inner in item]))
        else:
            parts.append(json.dumps(item))
    return "".join(parts)


class _Text(str):
    """A part of the result."""


def _separated(opening: str, closing: str, groups: list[list[Any]]) -> list[Any]:
    found: list[Any] = [_Text(opening)]
    for number, group in enumerate(groups):
        found += [_Text(",")] if number else []
        found += group
    return [*found, _Text(closing)]
