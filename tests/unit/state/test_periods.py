"""How long the operator waits: the real values, held here so that nobody changes one by chance, and the length of a minute."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dind_operator.api.lifetime import parse_duration
from dind_operator.controller import backoff
from dind_operator.controller import endpoint_writer as endpoints
from dind_operator.controller import observe as reading
from dind_operator.controller import pod_replacement as recreation
from dind_operator.controller import polling as looks
from dind_operator.features.lifetime import expiry as lifetimes
from dind_operator.features.registry import condition as preload
from dind_operator.state.periods import REAL, Periods


def seconds(*found: timedelta) -> list[float]:
    return [each.total_seconds() for each in found]


def test_the_real_periods_of_lifetimes() -> None:
    """Warned a minute before at least, an hour before at most; the helper repeats itself each minute at first, then each ten."""
    assert seconds(REAL.minute, REAL.notice, REAL.max_lead, REAL.min_step, REAL.max_step) == [60, 60, 3600, 60, 600]
    assert seconds(lifetimes._STEADY) == [30]
    assert (lifetimes.LEAD_PART, lifetimes._STEP_PART) == (10, 12)


def test_the_real_periods_between_checks() -> None:
    assert (REAL.blocked_check_seconds, recreation.SOON_SECONDS, reading.REPORT_POLL_SECONDS) == (15, 1, 2)
    assert (looks.ACTIVITY_SECONDS, looks.SECONDS_EACH, endpoints.SECONDS_EACH) == (60, 0.5, 2)
    assert (preload.MIN_PAUSE_SECONDS, preload.MAX_PAUSE_SECONDS) == (3, 60)


def test_the_real_backoff() -> None:
    """From the first delay to the longest, and how long a pod must be well for the count to begin anew."""
    assert seconds(REAL.backoff, backoff.MAX_DELAY, backoff.RECOVERED_AFTER) == [1, 300, 600]


@given(st.integers(1, 365 * 24), st.sampled_from("mh"))
def test_a_real_minute_leaves_durations_as_they_are(number: int, unit: str) -> None:
    assert REAL.length(f"{number}{unit}") == parse_duration(f"{number}{unit}")


@pytest.mark.parametrize(("duration", "length"), [("1m", 3), ("90m", 270), ("1h", 180), ("365d", 365 * 24 * 180)])
def test_with_a_shorter_minute_all_durations_are_shorter_alike(duration: str, length: float) -> None:
    assert seconds(Periods(minute=timedelta(seconds=3)).length(duration)) == [length]


def test_with_a_shorter_minute_the_warning_and_the_helpers_steps_follow() -> None:
    short = Periods(minute=timedelta(seconds=3))
    assert seconds(short.notice, short.max_lead, short.min_step, short.max_step) == [3, 180, 3, 30]
