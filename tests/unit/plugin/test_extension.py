"""Until when an environment is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.plugin.states import environment

from dind_operator.plugin import extension
from dind_operator.plugin.errors import CliError, Exit

NOW = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=UTC)


def test_a_duration_counts_from_now_and_a_time_has_its_zone() -> None:
    assert extension.parse_time_or_duration("8h", NOW) == (NOW + timedelta(hours=8)).replace(microsecond=0)
    assert (
        extension.format_utc(extension.parse_time_or_duration("2026-01-01T20:00:00+02:00", NOW))
        == "2026-01-01T18:00:00Z"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tomorrow", "must be a duration from now"),
        ("2026-01-01T20:00:00", "must be a duration from now"),
        ("9999-12-31T23:59:59Z", "must be a duration from now"),
        ("2026-01-01T11:00:00Z", "is in the past"),
        ("400d", "must be at most 365d"),
    ],
)
def test_what_is_no_time_to_come_is_refused(text: str, words: str) -> None:
    with pytest.raises(CliError) as caught:
        extension.parse_time_or_duration(text, NOW)
    assert caught.value.code is Exit.USAGE
    assert words in caught.value.message


def test_what_is_there_is_read_and_nonsense_is_nothing() -> None:
    def kept(text: str) -> datetime | None:
        return extension.extended_until(environment(annotations={"dind.dev/extend-until": text}))

    assert kept("2026-01-01T20:00:00+02:00") == datetime(2026, 1, 1, 18, tzinfo=UTC)
    assert [kept("soon"), kept("2026-01-01T20:00:00"), extension.extended_until(environment())] == [None] * 3


def test_the_change_is_of_the_annotation_alone() -> None:
    assert extension.patch(NOW) == {"metadata": {"annotations": {"dind.dev/extend-until": "2026-01-01T12:00:00Z"}}}
    assert extension.patch(None) == {"metadata": {"annotations": {"dind.dev/extend-until": None}}}
