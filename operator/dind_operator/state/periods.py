"""Periods of the operator that tests shorten. The defaults are the ones of the product."""

from dataclasses import dataclass
from datetime import timedelta

from dind_operator.api.lifetime import parse_duration

_REAL_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Periods:
    """``minute`` is the length of a minute in ``spec.lifetime`` and everything that depends on it."""

    minute: timedelta = _REAL_MINUTE
    blocked_check_seconds: float = 15.0
    """Until the next check of a problem whose end no watch reports, such as a lost node or a pod of a previous instance."""
    backoff: timedelta = timedelta(seconds=1)
    """The delay after the first failure of a pod. It doubles with each failure in a row."""

    def length(self, duration: str) -> timedelta:
        """The length of a duration in ``spec.lifetime``."""
        return parse_duration(duration) // _REAL_MINUTE * self.minute

    @property
    def notice(self) -> timedelta:
        """Minimum time between the warning and the expiry, also if the operator was not running when the warning was due."""
        return self.minute

    @property
    def max_lead(self) -> timedelta:
        """Maximum time between the warning and the expiry."""
        return 60 * self.minute

    @property
    def min_step(self) -> timedelta:
        """Minimum time after which the helper repeats its report of idleness (node/internal/periods)."""
        return self.minute

    @property
    def max_step(self) -> timedelta:
        """Maximum of the same time."""
        return 10 * self.minute


REAL = Periods()
