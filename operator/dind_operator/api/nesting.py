"""How deeply values are nested. `spec.daemon.config` is a free map, and a schema cannot bound the depth of its values.

Encoding, copying or validating a value that is nested some thousand levels deep ends in a RecursionError, wherever that happens
to be. So values are cut where an object comes in, and an environment whose values were cut is invalid.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, TypeVar, cast

MAX_DEPTH: Final = 32
"""The deepest setting of dockerd has six levels (builder.gc.policy)."""
CUT: Final = "(nested too deeply)"
"""Stands for a value below ``MAX_DEPTH``."""


_Value = TypeVar("_Value")


def limited(value: _Value, depth: int = MAX_DEPTH) -> _Value:
    """The value, with ``CUT`` for everything that is nested more deeply; the same object if nothing is."""
    if not isinstance(value, dict | list) or not deeper(value, depth):
        return value
    return cast("_Value", _cut(value, depth))


def deeper(value: Any, depth: int) -> bool:
    """Whether the value has more levels than ``depth``. Level by level: it may have more than the interpreter's stack."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [
            item
            for above in level
            for item in (above.values() if isinstance(above, dict) else above)
            if isinstance(item, dict | list)
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


class Decoder(json.JSONDecoder):
    """Decodes also text that is nested more deeply than the interpreter allows, with ``CUT`` for what is too deep."""

    def decode(self, s: str, *args: Any) -> Any:
        """As ``json.JSONDecoder``."""
        try:
            return super().decode(s, *args)
        except RecursionError:
            return super().decode(_shallow(s), *args)


def install() -> None:
    """Decode like this everywhere in the process: Kopf and aiohttp call ``json.loads`` without a decoder."""
    json._default_decoder = Decoder()  # type: ignore[attr-defined]


_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_TEXT_DEPTH: Final = 2 * MAX_DEPTH
"""More than the depth at which objects are cut, which is counted from within the object."""


def _shallow(text: str) -> str:
    """The text without what is nested more deeply than ``_TEXT_DEPTH``."""
    depth, kept, begin = 0, [], 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            if depth == _TEXT_DEPTH + 1:
                kept.append(text[begin : token.start()])
        elif mark in "]}":
            depth -= 1
            if depth == _TEXT_DEPTH:
                kept.append(json.dumps(CUT))
                begin = token.end()
    kept.append(text[begin:] if depth <= _TEXT_DEPTH else "")
    return "".join(kept)
