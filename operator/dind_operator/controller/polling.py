"""The times of polls, for state that no watch reports: full volumes, idle daemons, deleted Secrets.

A poll is one request to a node, or a few to the API server. The rate of all polls is limited.
"""

from datetime import datetime, timedelta

from dind_operator.state.cluster import Key

SECONDS_EACH = 0.5
"""At most two polls in a second for all environments: a thousand are polled every eight minutes."""

ACTIVITY_SECONDS = 60.0
"""Between two polls of the activity of an environment, if the installation does not poll volumes."""


class PollSchedule:
    """``seconds`` is the minimum time between two polls of one environment; 0: no polls. ``each``: between any two polls."""

    def __init__(self, seconds: float, each: float = SECONDS_EACH) -> None:
        self._seconds = seconds
        self._each = each
        self._last: dict[Key, datetime] = {}

    def due(self, key: Key, now: datetime) -> bool:
        """Whether a poll is due. The first one is delayed, so that not all environments are polled when the operator starts."""
        if not self._seconds:
            return False
        if key not in self._last:
            self._last[key] = now
            return False
        return now - self._last[key] >= self._pause

    def done(self, key: Key, now: datetime) -> None:
        """Record a poll."""
        self._last[key] = now

    def wait(self, key: Key, now: datetime) -> float | None:
        """Seconds until the next poll; None without one."""
        if key not in self._last:
            return None
        return max((self._last[key] + self._pause - now).total_seconds(), 0.1)

    def forget(self, key: Key) -> None:
        """Stop polling the environment."""
        self._last.pop(key, None)

    @property
    def _pause(self) -> timedelta:
        return timedelta(seconds=max(self._seconds, len(self._last) * self._each))
