"""How the API server's clock differs from the own one, by the Date of its last answer.

An environment's creation is by the API server's clock. An operator whose own clock is fast, or jumps, must not end it early
for that.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def utc_now() -> datetime:
    """The own clock."""
    return datetime.now(UTC)


class ServerClock:
    """Whole seconds, as HTTP has them, so what is said is up to a second too much: that ends nothing early.

    Since the last answer the time goes on by the monotonic clock (``elapsed``, in seconds), which nobody sets.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._elapsed = elapsed
        self._seen: tuple[str, float] | None = None

    def saw(self, date: str | None) -> None:
        """Remember the Date header of an answer that has just come."""
        if date:
            self._seen = date, self._elapsed()

    def ahead(self) -> timedelta:
        """How far the own clock is ahead; zero if it is not, or nobody knows."""
        if self._seen is None:
            return timedelta(0)
        date, at = self._seen
        try:
            then = parsedate_to_datetime(date)
        except ValueError:
            return timedelta(0)
        if then.tzinfo is None:
            return timedelta(0)
        return max(self._now() - then - timedelta(seconds=self._elapsed() - at), timedelta(0))
