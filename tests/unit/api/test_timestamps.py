"""Times of the API."""

from datetime import UTC, datetime

import pytest

from dind_operator.api.timestamps import parse_time


@pytest.mark.parametrize("text", [None, "", "soon", "2025-13-01T00:00:00Z"])
def test_nonsense_is_no_time(text: str | None) -> None:
    assert parse_time(text) is None


def test_a_time_of_the_api_is_read_in_utc() -> None:
    assert parse_time("2025-06-01T12:00:00Z") == datetime(2025, 6, 1, 12, tzinfo=UTC)
