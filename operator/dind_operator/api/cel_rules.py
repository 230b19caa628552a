"""CEL rules between fields, next to the models that they validate.

The API server applies them when an object is written. The models check the same in Python, because an object may be stored under
an older CRD. Messages say what is wrong, where, and what to do.
"""

from __future__ import annotations

import re
from typing import Any, Final

from pydantic import AfterValidator, Field

INVALID: Final = "FieldValueInvalid"
FORBIDDEN: Final = "FieldValueForbidden"
REQUIRED: Final = "FieldValueRequired"

VALIDATIONS: Final = "x-kubernetes-validations"
# The longest key of a label or resource: a domain with 253 characters, a slash and a name with 63.
KEY_MAX_LENGTH: Final = 317
# For a field without a default in the CustomResourceDefinition: its absence has a meaning, or the field is newer than the first
# release, and an older operator that still runs would reject it as unknown in every stored object.
NO_DEFAULT: Final = "x-no-default"


def rule(cel: str, message: str, *, path: str | None = None, reason: str = INVALID) -> dict[str, str]:
    """A CEL rule with a fixed message."""
    return _with_place({"rule": cel, "message": message}, path, reason)


def value_rule(
    cel: str, expression: str, fallback: str, *, path: str | None = None, reason: str = INVALID
) -> dict[str, str]:
    """A CEL rule with a computed message that contains the value."""
    return _with_place({"rule": cel, "messageExpression": expression, "message": fallback}, path, reason)


def _with_place(entry: dict[str, str], path: str | None, reason: str) -> dict[str, str]:
    return {**entry, "reason": reason, **({"fieldPath": path} if path else {})}


def shape(pattern: str, remedy: str) -> dict[str, Any]:
    """The rule for a text with a pattern. Its message is more useful than that of a pattern."""
    return validations(rule(f"self.matches('{cel_text(pattern)}')", remedy))


def readable(pattern: str, remedy: str) -> list[Any]:
    """For a text whose pattern is too long to be read: only the message, from the API server and from the model."""

    def check(text: str) -> str:
        if not re.search(pattern, text) or text.endswith("\n"):
            raise ValueError(f"{text!r} {remedy}")
        return text

    return [AfterValidator(check), Field(json_schema_extra=shape(pattern, remedy))]


def keys(pattern: str, remedy: str) -> dict[str, Any]:
    """The pattern for the keys of a map, which a structural schema does not support."""
    return validations(rule(f"self.all(k, size(k) <= {KEY_MAX_LENGTH} && k.matches('{cel_text(pattern)}'))", remedy))


def validations(*rules: dict[str, str]) -> dict[str, Any]:
    """The schema extension with the rules."""
    return {VALIDATIONS: list(rules)}


def amount(field: str) -> str:
    """CEL for the value of a valid quantity."""
    return f"quantity(string({field}))"


def positive(field: str) -> str:
    """CEL for 'this quantity is above zero'."""
    return f"{amount(field)}.isGreaterThan(quantity('0'))"


def both_amounts(first: str, second: str) -> str:
    """CEL for 'both are quantities'. A malformed one is reported by its own field, once."""
    return f"isQuantity(string({first})) && isQuantity(string({second}))"


def cel_text(text: str) -> str:
    """Text for a CEL string in single quotes."""
    return re.sub(r"(['\\])", r"\\\1", text)
