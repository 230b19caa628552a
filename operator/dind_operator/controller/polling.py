"""When each environment was last looked at for what no watch tells, so that it is done seldom and evenly.

No watch tells that a volume is full, a daemon unused, or a Secret gone. A look is one request that the node answers, or a
few to the API server; all of them together stay below a rate.
"""

from datetime import datetime, timedelta

from dind_operator.state.cluster import Key

SECONDS_EACH = 0.5
"""Two looks a second at most, however many environments there are: a thousand are looked at every eight minutes."""

ACTIVITY_SECONDS = 60.0
"""Between two looks at whether an environment is used, where an installation leaves out those at the volume."""


class PollSchedule:
    """``seconds`` between two looks at one environment, at least; 0: none at all. ``each``: between any two."""

    def __init__(self, seconds: float, each: float = SECONDS_EACH) -> None:
        self._seconds = seconds
        self._each = each
        self._last: dict[Key, datetime] = {}

    def due(self, key: Key, now: datetime) -> bool:
        """It is time to look. What was never looked at is given its time first, or a start would look at all at once."""
        if not self._seconds:
            return False
        if key not in self._last:
            self._last[key] = now
            return False
        return now - self._last[key] >= self._pause

    def done(self, key: Key, now: datetime) -> None:
        """It was looked at."""
        self._last[key] = now

    def wait(self, key: Key, now: datetime) -> float | None:
        """Seconds until the next look; None where there is none."""
        if key not in self._last:
            return None
        return max((self._last[key] + self._pause - now).total_seconds(), 0.1)

    def forget(self, key: Key) -> None:
        """There is no daemon to look at."""
        self._last.pop(key, None)

    @property
    def _pause(self) -> timedelta:
        return timedelta(seconds=max(self._seconds, len(self._last) * self._each))
