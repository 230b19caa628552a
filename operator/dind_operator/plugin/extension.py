"""The annotation that extends the lifetime of an environment: parsing the argument of `extend`, and the patch. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dind_operator.api import names
from dind_operator.api.lifetime import InvalidDuration, parse_duration
from dind_operator.api.timestamps import parse_time
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.manifest import is_duration

YEARS = range(2000, 9000)
"""The years that the operator accepts (``features/lifetime/expiry.py``)."""


def parse_time_or_duration(text: str, now: datetime) -> datetime:
    """A time from a duration, counted from now, or from a time with a time zone. Raises CliError."""
    if is_duration(text):
        try:
            return (now + parse_duration(text)).replace(microsecond=0)
        except InvalidDuration as error:
            raise CliError(str(error), Exit.USAGE) from error
    moment = parse_time(text)
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        raise CliError(
            f"{text!r} must be a duration from now (30m, 8h, 7d) or a time with a time zone (2030-01-31T18:00:00Z).",
            Exit.USAGE,
        )
    moment = moment.astimezone(UTC).replace(microsecond=0)
    if moment <= now:
        raise CliError(f"{text} is in the past. Use a later time, or a duration such as 8h.", Exit.USAGE)
    return moment


def format_utc(moment: datetime) -> str:
    """The time in the format of the annotation."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def extended_until(environment: dict[str, Any]) -> datetime | None:
    """The time in the annotation; None if the annotation is missing or invalid."""
    moment = parse_time((environment["metadata"].get("annotations") or {}).get(names.ANNOTATION_EXTEND))
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None and moment.year in YEARS else None


def patch(moment: datetime | None) -> dict[str, Any]:
    """The patch that sets the annotation. None removes it."""
    value = format_utc(moment) if moment is not None else None
    return {"metadata": {"annotations": {names.ANNOTATION_EXTEND: value}}}
