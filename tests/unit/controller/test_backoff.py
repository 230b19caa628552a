"""How long a failed pod waits for its successor."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dind_operator.controller.backoff import MAX_DELAY, RECOVERED_AFTER, delay, next_count

SECOND = timedelta(seconds=1)


def test_it_doubles_to_five_minutes() -> None:
    seconds = [delay(count, SECOND).total_seconds() for count in range(1, 12)]
    assert seconds == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(st.integers(-5, 2**31), st.integers(1, 300))
def test_it_is_always_positive_and_bounded(count: int, first: int) -> None:
    assert timedelta(0) < delay(count, first * SECOND) <= MAX_DELAY


@pytest.mark.parametrize(
    ("ran", "count"),
    [
        (None, 8),
        (timedelta(0), 8),
        (RECOVERED_AFTER - timedelta(seconds=1), 8),
        (RECOVERED_AFTER, 1),
        (timedelta(days=9), 1),
    ],
)
def test_a_pod_that_was_well_for_ten_minutes_starts_the_count_anew(ran: timedelta | None, count: int) -> None:
    assert next_count(7, ran) == count
