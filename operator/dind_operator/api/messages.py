"""Errors of pydantic as messages for users: field, value, and what the value must be."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

# Errors that a message contains.
_SHOWN: Final = 3
_VALUE_LENGTH: Final = 60

# By the type of the error in pydantic. The values come from the context of the error.
_REMEDIES: Final = {
    "enum": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} character",
    "string_pattern_mismatch": "must match {pattern}",
    "too_long": "must have at most {max_length} items",
    "too_short": "must have at least {min_length} item",
}


def describe_errors(error: ValidationError, root: str = "spec") -> str:
    """A message with the first errors, joined by '; '."""
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
        return f"{field} is not a field of this version: remove it, or correct its name"
    if kind == "missing":
        return f"{field} is required"
    return f"{field}: invalid value {_value(detail['input'])}: {_remedy(kind, context, detail['msg'])}"


def _remedy(kind: str, context: dict[str, Any], message: str) -> str:
    """What the value must be. For types of errors without a text here, the text of pydantic."""
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
