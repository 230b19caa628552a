"""How often a status is written."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.objects import NOW

from dind_operator.controller.status_rate import FREE_WRITES, INTERVAL, StatusRate

KEY, OTHER = ("team-a", "builder"), ("team-a", "other")
SUBJECT = (1, "pod")


def flap(rate: StatusRate, seconds: int) -> int:
    """Something to write each second; how often it was written."""
    written = 0
    for second in range(seconds):
        now = NOW + timedelta(seconds=second)
        if rate.wait(KEY, SUBJECT, now) is None:
            rate.written(KEY, SUBJECT, now)
            written += 1
    return written


def test_the_first_are_written_at_once_and_then_one_in_ten_seconds() -> None:
    assert flap(StatusRate(), FREE_WRITES) == FREE_WRITES
    assert flap(StatusRate(), 70) == FREE_WRITES + 6


def test_the_wait_ends_when_the_next_may_be_written() -> None:
    rate = StatusRate()
    flap(rate, FREE_WRITES)
    now = NOW + timedelta(seconds=FREE_WRITES)
    wait = rate.wait(KEY, SUBJECT, now)
    assert wait == INTERVAL.total_seconds() - 1
    assert rate.wait(KEY, SUBJECT, now + timedelta(seconds=wait)) is None


def test_another_spec_another_pod_and_another_environment_do_not_wait() -> None:
    rate = StatusRate()
    flap(rate, 60)
    now = NOW + timedelta(seconds=60)
    assert rate.wait(KEY, SUBJECT, now) is not None
    assert rate.wait(KEY, (2, "pod"), now) is None
    assert rate.wait(KEY, (1, "next"), now) is None
    assert rate.wait(OTHER, SUBJECT, now) is None
    rate.written(KEY, (1, "next"), now)
    assert rate.wait(KEY, (1, "next"), now) is None, "it begins anew"
    rate.forget(KEY)
    assert rate.wait(KEY, SUBJECT, now) is None
