"""Expiry of environments. The operator does not change spec; status reports the expiry."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from .cel_rules import REQUIRED, cel_text, rule, validations
from .model import ApiModel

# One number and one unit, for people, CEL and Python. Durations of Go have no days and several notations for the same time.
DURATION_PATTERN: Final = r"^[1-9][0-9]{0,5}[mhd]$"
DURATION_MAX_LENGTH: Final = 7
_MINUTES: Final = {"m": 1, "h": 60, "d": 24 * 60}
# A year. A longer lifetime does not need an expiry.
MAX_MINUTES: Final = 365 * 24 * 60
_SHAPE: Final = "must be a duration: write a whole number above zero and m, h or d, as in 30m, 8h or 7d"
_TOO_LONG: Final = "must be at most 365d: write a shorter duration, or leave the field out for no end"
_IN_MINUTES: Final = (
    "int(self.substring(0, size(self) - 1)) * (self.endsWith('d') ? 1440 : (self.endsWith('h') ? 60 : 1))"
)


class InvalidDuration(ValueError):  # noqa: N818 - the name describes the text
    """The text is not a duration of the API. The message contains the value and a remedy."""


def parse_duration(text: str) -> timedelta:
    """The exact length of a duration such as 30m, 8h or 7d. Raises InvalidDuration."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise InvalidDuration(f"{text[: 2 * DURATION_MAX_LENGTH]!r} is invalid: {_SHAPE}")
    minutes = int(text[:-1]) * _MINUTES[text[-1]]
    if minutes > MAX_MINUTES:
        raise InvalidDuration(f"{text!r} is invalid: {_TOO_LONG}")
    return timedelta(minutes=minutes)


def _checked(text: str) -> str:
    parse_duration(text)
    return text


_RULES: Final[dict[str, Any]] = {
    "maxLength": DURATION_MAX_LENGTH,
    **validations(
        rule(f"self.matches('{cel_text(DURATION_PATTERN)}')", _SHAPE),
        rule(f"!self.matches('{cel_text(DURATION_PATTERN)}') || {_IN_MINUTES} <= {MAX_MINUTES}", _TOO_LONG),
    ),
}
Duration = Annotated[str, AfterValidator(_checked), Field(json_schema_extra=_RULES)]
"""A whole number of minutes, hours or days."""


class Expire(StrEnum):
    """What happens to an expired environment."""

    SUSPEND = "Suspend"
    DELETE = "Delete"


NO_END: Final = (
    "lifetime must have an end: set lifetime.ttl, lifetime.idleTimeout or both, or leave lifetime out to "
    "keep the environment"
)


class LifetimeSpec(ApiModel):
    """Expiry of the environment."""

    model_config = ConfigDict(
        json_schema_extra=validations(rule("has(self.ttl) || has(self.idleTimeout)", NO_END, reason=REQUIRED))
    )

    ttl: Duration | None = Field(
        default=None,
        description="Time to live since the creation of the environment: an integer followed by m, h or d, at most 365d. "
        "It includes the time for which the environment is suspended.",
        examples=["8h"],
    )
    idle_timeout: Duration | None = Field(
        default=None,
        description="Time after which an idle environment expires. An environment is idle if no nested container or build "
        "is running and the Docker API is not called; probes do not count. It requires that the operator may "
        "read pod logs. The condition ActivityKnown reports whether it works.",
        examples=["30m"],
    )
    expire: Expire = Field(
        default=Expire.SUSPEND,
        description="What happens when the environment expires. Suspend deletes the pod and keeps all else, as with "
        "`operatingMode: Suspended`; the operator does not change the spec. Delete deletes the environment.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ttl is None and self.idle_timeout is None:
            raise ValueError(NO_END)
        return self
