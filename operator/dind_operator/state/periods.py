"""How long the operator waits for what no event reports, as far as tests need to wait for less. The defaults are the product's.

What tests never wait for stays a constant beside its use.
"""

from dataclasses import dataclass
from datetime import timedelta

from dind_operator.api.lifetime import parse_duration

_REAL_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Periods:
    """``minute`` is the length of a minute in ``spec.lifetime`` and in all that is decided by it."""

    minute: timedelta = _REAL_MINUTE
    blocked_check_seconds: float = 15.0
    """Until the next check of what blocks an environment and may end unseen by every watch (a node that is lost, a predecessor)."""
    backoff: timedelta = timedelta(seconds=1)
    """From the first failure of a pod to the next pod. The second waits twice as long, and so on."""

    def length(self, duration: str) -> timedelta:
        """The time that a duration of ``spec.lifetime`` takes."""
        return parse_duration(duration) // _REAL_MINUTE * self.minute

    @property
    def notice(self) -> timedelta:
        """Between the warning and the end, at least, also where the operator was away when it should have warned."""
        return self.minute

    @property
    def max_lead(self) -> timedelta:
        """Between the warning and the end, at most."""
        return 60 * self.minute

    @property
    def min_step(self) -> timedelta:
        """The helper repeats that it is idle after this at the earliest (image/dind-helper/periods.c)."""
        return self.minute

    @property
    def max_step(self) -> timedelta:
        """And after this at the latest."""
        return 10 * self.minute


REAL = Periods()
