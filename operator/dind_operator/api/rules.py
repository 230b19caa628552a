"""Rules between fields, written once for the API server (CEL) next to the model they belong to.

The API server checks them when an object is written. The models check the same in Python, because an object may have
been written under an older CRD. Messages have three parts: what is wrong, where, what to do.
"""

from __future__ import annotations

import re
from typing import Any, Final

INVALID: Final = "FieldValueInvalid"
FORBIDDEN: Final = "FieldValueForbidden"
REQUIRED: Final = "FieldValueRequired"

VALIDATIONS: Final = "x-kubernetes-validations"
# The longest key of a label or a resource: a domain of 253 characters, a slash and a name of 63.
KEY_MAX_LENGTH: Final = 317
# Set on a field whose default must not come from its parts, because leaving it out means something.
NO_DEFAULT: Final = "x-no-default"


def rule(cel: str, message: str, *, path: str | None = None, reason: str = INVALID) -> dict[str, str]:
    """A CEL rule with a fixed sentence, for rules whose message needs no value."""
    return _with_place({"rule": cel, "message": message}, path, reason)


def value_rule(
    cel: str, expression: str, fallback: str, *, path: str | None = None, reason: str = INVALID
) -> dict[str, str]:
    """A CEL rule whose sentence is computed, so that it names the value."""
    return _with_place({"rule": cel, "messageExpression": expression, "message": fallback}, path, reason)


def _with_place(entry: dict[str, str], path: str | None, reason: str) -> dict[str, str]:
    return {**entry, "reason": reason, **({"fieldPath": path} if path else {})}


def shape(pattern: str, remedy: str, *, text: str = "self") -> dict[str, Any]:
    """For a text with a pattern: the sentence beside it, because a pattern says nothing of what to do."""
    return validations(rule(f"{text}.matches('{cel_text(pattern)}')", remedy))


def keys(pattern: str, remedy: str) -> dict[str, Any]:
    """For a map: the pattern of its keys, of which a structural schema says nothing."""
    return validations(rule(f"self.all(k, size(k) <= {KEY_MAX_LENGTH} && k.matches('{cel_text(pattern)}'))", remedy))


def validations(*rules: dict[str, str]) -> dict[str, Any]:
    """The schema extension that carries the rules."""
    return {VALIDATIONS: list(rules)}


def amount(field: str) -> str:
    """CEL for a quantity's value; only where it is known to be one."""
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
