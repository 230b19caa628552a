"""Until when an environment is to be kept: what a user writes, against what is there already. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dind_operator.api import names
from dind_operator.api.lifetime import InvalidDuration, parse_duration
from dind_operator.api.timestamps import parse_time
from dind_operator.plugin.errors import CliError, Exit
from dind_operator.plugin.manifest import is_duration

YEARS = range(2000, 9000)
"""What the operator takes for a time (``features/lifetime/expiry.py``)."""


def until(text: str, now: datetime) -> datetime:
    """A time from a duration, counted from now, or from a time with a zone. Raises CliError."""
    if is_duration(text):
        try:
            return (now + parse_duration(text)).replace(microsecond=0)
        except InvalidDuration as error:
            raise CliError(str(error), Exit.USAGE) from error
    moment = parse_time(text)
    if moment is None or moment.tzinfo is None or moment.year not in YEARS:
        raise CliError(
            f"{text!r} is neither a duration (30m, 8h, 7d; from now) nor a time with a zone (2030-01-31T18:00:00Z).",
            Exit.USAGE,
        )
    moment = moment.astimezone(UTC).replace(microsecond=0)
    if moment <= now:
        raise CliError(f"{text} is over already: give a later time, or a duration such as 8h.", Exit.USAGE)
    return moment


def written(moment: datetime) -> str:
    """As the annotation has it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def kept_until(environment: dict[str, Any]) -> datetime | None:
    """Until when it is extended already; None if it is not, or if what the annotation holds is no time."""
    moment = parse_time((environment["metadata"].get("annotations") or {}).get(names.ANNOTATION_EXTEND))
    return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None and moment.year in YEARS else None


def change(moment: datetime | None) -> dict[str, Any]:
    """The change of the environment; None takes the extension back."""
    value = written(moment) if moment is not None else None
    return {"metadata": {"annotations": {names.ANNOTATION_EXTEND: value}}}
