"""Durations are read alike here and by the API server; a lifetime has an end."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from dind_operator.api.lifetime import Expire, InvalidDuration, LifetimeSpec, parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1m", timedelta(minutes=1)),
        ("30m", timedelta(minutes=30)),
        ("90m", timedelta(hours=1, minutes=30)),
        ("8h", timedelta(hours=8)),
        ("7d", timedelta(days=7)),
        ("365d", timedelta(days=365)),
        ("525600m", timedelta(days=365)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "0m", "-1h", "30", "m", "1.5h", "1h30m", "30s", " 8h", "8h\n", "8H", "٨h", "9999999m"]
)
def test_what_is_none_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(InvalidDuration, match="write a whole number above zero and m, h or d, as in 30m, 8h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["366d", "8761h", "525601m", "999999d"])
def test_more_than_a_year_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(InvalidDuration, match="must be at most 365d: write a shorter duration, or leave the field out"):
        parse_duration(text)


def test_an_environment_that_expires_is_suspended_unless_it_is_to_be_deleted() -> None:
    assert LifetimeSpec.model_validate({"ttl": "8h"}).expire is Expire.SUSPEND
    assert LifetimeSpec.model_validate({"idleTimeout": "8h", "expire": "Delete"}).expire is Expire.DELETE


@pytest.mark.parametrize("fields", [{}, {"expire": "Delete"}])
def test_a_lifetime_without_an_end_is_none(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"set lifetime\.ttl, lifetime\.idleTimeout or both"):
        LifetimeSpec.model_validate(fields)
