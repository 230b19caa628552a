"""Looks into logs are seldom, and seldomer the more there are."""

from datetime import timedelta

from tests.unit.objects import NOW

from dind_operator.controller.polling import PollSchedule

KEY = ("team-a", "builder")


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_the_first_look_comes_after_the_pause_and_each_next_after_another() -> None:
    looks = PollSchedule(60)
    assert looks.wait(KEY, NOW) is None
    assert not looks.due(KEY, NOW)
    assert looks.wait(KEY, NOW) == 60
    assert not looks.due(KEY, NOW + after(59))
    assert looks.due(KEY, NOW + after(60))
    looks.done(KEY, NOW + after(60))
    assert not looks.due(KEY, NOW + after(119))
    assert looks.wait(KEY, NOW + after(119)) == 1


def test_zero_is_never() -> None:
    looks = PollSchedule(0)
    assert not looks.due(KEY, NOW)
    assert not looks.due(KEY, NOW + after(10**6))
    assert looks.wait(KEY, NOW) is None


def test_a_thousand_are_looked_at_twice_a_second_in_all() -> None:
    looks = PollSchedule(60)
    for number in range(1000):
        looks.due(("team-a", str(number)), NOW)
    assert not looks.due(("team-a", "0"), NOW + after(499))
    assert looks.due(("team-a", "0"), NOW + after(500))


def test_what_is_gone_counts_no_more() -> None:
    looks = PollSchedule(60)
    looks.due(KEY, NOW)
    looks.forget(KEY)
    assert looks.wait(KEY, NOW) is None
    looks.forget(KEY)
