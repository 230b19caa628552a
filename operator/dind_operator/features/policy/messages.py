"""Messages and comparisons that the rules of the policy share."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from dind_operator.api import names

_ENDPOINTS: Final = (names.CA_SUFFIX, names.SERVER_SUFFIX, names.CLIENT_SUFFIX)
POLICY: Final = "the policy of this installation"
MAX_SHOWN: Final = 128
"""The maximum number of characters of a user's value in a message."""


def not_allowed(field: str, value: str, allowed: tuple[str, ...], key: str) -> str:
    """The message for a value that a list does not allow. ``key`` is the name of the rule in the chart's policy.rules."""
    named, action = (", ".join(allowed), "Use an allowed value") if allowed else ("none", "Remove the value")
    return f"{field} {value} is not allowed by {POLICY}. Allowed: {named}. {remedy(action, key)}"


def remedy(action: str, key: str) -> str:
    """The sentence that says what to do. ``key`` is the name of the rule in the chart's policy.rules."""
    return f"{action}, or ask an administrator to change policy.rules.{key} of the chart."


def covered(value: str, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern matches. A pattern that ends with a star is a prefix."""
    return any(value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern for pattern in patterns)


def secret_covered(name: str, patterns: tuple[str, ...]) -> bool:
    """A star does not match Secrets with the suffixes of an environment's endpoint, which give root access to its daemon. These need
    an entry with the complete name.
    """
    return name in patterns or (not name.endswith(_ENDPOINTS) and covered(name, patterns))


def shown(text: str) -> str:
    """The text, shortened for a message."""
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def refused(
    field: str, named: Sequence[str], allowed: tuple[str, ...] | None, key: str, covers: Callable[..., bool] = covered
) -> Iterator[str]:
    """The message for the first of ``named`` that is not allowed. Without the rule (None), all are allowed."""
    bad = [] if allowed is None else [name for name in named if not covers(name, allowed)]
    if allowed is not None and bad:
        yield not_allowed(field, shown(bad[0]), allowed, key)
