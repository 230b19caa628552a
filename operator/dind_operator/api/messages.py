"""Pydantic's errors as sentences for users: field, value, remedy."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# More than these do not fit a sentence, and the first is the one to correct.
_SHOWN: Final = 3
_VALUE_LENGTH: Final = 60

# By pydantic's kind of error; the braces are its context.
_REMEDIES: Final = {
    "enum": "use {expected}",
    "greater_than_equal": "use at least {ge}",
    "less_than_equal": "use at most {le}",
    "string_too_long": "use at most {max_length} characters",
    "string_too_short": "use at least {min_length} character",
    "string_pattern_mismatch": "use characters that match {pattern}",
    "too_long": "use at most {max_length} items",
    "too_short": "use at least {min_length} item",
}


def describe_errors(error: ValidationError, root: str = "spec") -> str:
    """One sentence for each of the first errors, joined by '; '."""
    errors = error.errors(include_url=False)
    sentences = [_sentence(detail, root) for detail in errors[:_SHOWN]]
    if len(errors) > _SHOWN:
        sentences.append(f"and {len(errors) - _SHOWN} more")
    return "; ".join(sentences)


def _sentence(detail: ErrorDetails, root: str) -> str:
    field = _path(root, detail["loc"])
    kind, context = detail["type"], detail.get("ctx") or {}
    if kind == "value_error":
        return f"{field}: {context['error']}"
    if kind == "extra_forbidden":
        return f"{field} is not a field of this version: remove it, or check its spelling"
    if kind == "missing":
        return f"{field} is missing: set it"
    return f"{field} {_value(detail['input'])} is refused: {_remedy(kind, context, detail['msg'])}"


def _remedy(kind: str, context: dict[str, Any], message: str) -> str:
    """What to do; pydantic's own words for the kinds that have no better ones here."""
    template = _REMEDIES.get(kind)
    return template.format(**context) if template else message[0].lower() + message[1:]


def _path(root: str, loc: tuple[int | str, ...]) -> str:
    path = root
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


def _value(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _VALUE_LENGTH else shown[: _VALUE_LENGTH - 1] + "…"
