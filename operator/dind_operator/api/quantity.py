"""Exact arithmetic of Kubernetes quantities.

The grammar is that of resource.Quantity in k8s.io/apimachinery. Values are kept as strings, so that the pod has the values of the
spec, and converted to numbers only for computations.
"""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema

from .cel_rules import amount, cel_text, rule, validations

BINARY_SUFFIXES: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
DECIMAL_SUFFIXES: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
}

# Without a sign, because amounts are not negative. RE2 and Python interpret this pattern in the same way.
QUANTITY_PATTERN: Final = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)(([KMGTPE]i)|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$"
# Long enough for every amount from one byte or one nano-cpu, and short enough for the cost of CEL rules.
QUANTITY_MAX_LENGTH: Final = 40
QUANTITY_REMEDY: Final = "must be a quantity: write a number without a sign and a suffix, as in 500m, 2, 512Mi or 10G"
_PARTS: Final = re.compile(
    r"\+?(?P<number>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)
# The precision: 40 digits times 10^99 are exact.
_PRECISION: Final = 160
# The maximum of a Kubernetes quantity. The API server silently reduces larger values to it, also in CEL, so that it cannot be
# distinguished from them: it is rejected with them.
MAX_VALUE: Final = 2**63 - 1
_TOO_LARGE: Final = "must be less than 2^63-1, the largest quantity of Kubernetes: write a smaller one"


class InvalidQuantity(ValueError):  # noqa: N818 - the name describes the text
    """The text is not a Kubernetes quantity. The message contains the value and a remedy."""


def parse_quantity(text: str | int) -> Decimal:
    """The exact value: bytes for memory and storage, cores for cpu. Raises InvalidQuantity."""
    written = str(text)
    match = _PARTS.fullmatch(written) if len(written) <= QUANTITY_MAX_LENGTH and not isinstance(text, bool) else None
    if match is None:
        raise InvalidQuantity(f"{written[:QUANTITY_MAX_LENGTH]!r} is invalid: {QUANTITY_REMEDY}")
    with localcontext() as context:
        context.prec = _PRECISION
        value = Decimal(match["number"])
        if match["exponent"]:
            value *= Decimal(10) ** int(match["exponent"])
        else:
            suffix = match["suffix"] or ""
            value *= BINARY_SUFFIXES.get(suffix) or DECIMAL_SUFFIXES[suffix]
    if value >= MAX_VALUE:
        raise InvalidQuantity(f"{written!r} is invalid: {_TOO_LARGE}")
    return value


def parse_bytes(text: str | int) -> int:
    """Whole bytes, rounded up as in Kubernetes. Raises InvalidQuantity."""
    return int(parse_quantity(text).to_integral_value(rounding=ROUND_CEILING))


def format_bytes(amount: int) -> str:
    """The shortest exact binary form: 536870912 -> 512Mi, 1000 -> 1000."""
    if amount < 0:
        raise InvalidQuantity(f"{amount} is invalid: must not be negative")
    for suffix, factor in reversed(BINARY_SUFFIXES.items()):
        if amount and amount % factor == 0:
            return f"{amount // factor}{suffix}"
    return str(amount)


def _checked(value: Any) -> Any:
    """Integers become text (YAML `memory: 1073741824` is one); text must parse."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidQuantity(
            f"{value!r} is invalid: must be a quantity, written as text, such as '512Mi', or as a whole number"
        )
    parse_quantity(value)
    return str(value)


_RULES: Final = validations(
    rule(f"string(self).matches('{cel_text(QUANTITY_PATTERN)}')", QUANTITY_REMEDY),
    rule(f"!isQuantity(string(self)) || {amount('self')}.isLessThan(quantity('{MAX_VALUE}'))", _TOO_LARGE),
)

# The quantity of the user. Integer or string in the CRD, as in Kubernetes.
Quantity = Annotated[
    str,
    BeforeValidator(_checked),
    WithJsonSchema(
        {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY_PATTERN,
            "maxLength": QUANTITY_MAX_LENGTH,
            "minimum": 0,
            **_RULES,
        }
    ),
]
