"""Which of two clocks is ahead, and that nothing is made of a header that is no date."""

from datetime import UTC, datetime, timedelta

import pytest

from dind_operator.manager.clock_skew import ServerClock, utc_now

DATE = "Sun, 01 Jun 2025 12:00:00 GMT"
NOON = datetime(2025, 6, 1, 12, 0, 0, tzinfo=UTC)


class Times:
    """Both clocks of a machine: the one that is set, and the one that nobody sets."""

    def __init__(self) -> None:
        self.now = NOON
        self.elapsed = 1000.0
        self.clock = ServerClock(lambda: self.now, lambda: self.elapsed)

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.elapsed += seconds


def test_before_the_first_answer_nobody_knows() -> None:
    assert Times().clock.skew() == timedelta(0)


@pytest.mark.parametrize("clock_skew", [0, 0.7, 3600])
def test_a_clock_that_is_ahead_is_ahead_until_the_next_answer(clock_skew: float) -> None:
    times = Times()
    times.now += timedelta(seconds=clock_skew)
    times.clock.record(DATE)
    times.passes(90)
    assert times.clock.skew() == timedelta(seconds=clock_skew)


def test_a_clock_that_is_behind_is_not_ahead() -> None:
    times = Times()
    times.now -= timedelta(hours=1)
    times.clock.record(DATE)
    assert times.clock.skew() == timedelta(0)


def test_a_clock_that_is_set_forward_after_the_answer_is_ahead_at_once() -> None:
    times = Times()
    times.clock.record(DATE)
    times.passes(10)
    times.now += timedelta(days=1)
    assert times.clock.skew() == timedelta(days=1)


def test_the_last_answer_counts_and_one_without_a_date_does_not() -> None:
    times = Times()
    times.now += timedelta(hours=1)
    times.clock.record("Sun, 01 Jun 2025 13:00:00 GMT")
    times.clock.record(DATE)
    times.clock.record(None)
    assert times.clock.skew() == timedelta(hours=1)


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 01 Jun 2025 12:00:00", "Sun, 99 Jun 2025 12:00:00 GMT"])
def test_what_is_no_date_says_nothing(date: str) -> None:
    times = Times()
    times.now += timedelta(hours=1)
    times.clock.record(date)
    assert times.clock.skew() == timedelta(0)


def test_the_own_clock_has_a_zone() -> None:
    assert utc_now().tzinfo is UTC
