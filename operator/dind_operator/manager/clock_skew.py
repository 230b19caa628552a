"""The clock skew between the operator and the API server, from the Date header of the last response.

The API server sets the creation time of an environment. The operator corrects its own clock by the skew, so that an environment
does not expire early if the clock of the operator is ahead or is set forward.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


def utc_now() -> datetime:
    """The clock of the operator."""
    return datetime.now(UTC)


class ServerClock:
    """The clock of the API server. A Date header has whole seconds, so the skew is up to a second too large, never too small.

    Between responses, the monotonic clock (``elapsed``, in seconds) measures the time.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._elapsed = elapsed
        self._last: tuple[str, float] | None = None

    def record(self, date: str | None) -> None:
        """Record the Date header of a response that was just received."""
        if date:
            self._last = date, self._elapsed()

    def skew(self) -> timedelta:
        """How far the clock of the operator is ahead; zero if it is not ahead, or if the skew is unknown."""
        if self._last is None:
            return timedelta(0)
        date, received = self._last
        try:
            server_time = parsedate_to_datetime(date)
        except ValueError:
            return timedelta(0)
        if server_time.tzinfo is None:
            return timedelta(0)
        return max(self._now() - server_time - timedelta(seconds=self._elapsed() - received), timedelta(0))
