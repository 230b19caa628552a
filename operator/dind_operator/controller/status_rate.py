"""How often the status of an environment is written while nothing but the health of its pod changes.

A probe that fails and succeeds each second would be a status and an Event each second, for as long as a tenant likes.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dind_operator.state.cluster import Key

FREE_WRITES: Final = 10
"""From its creation to Ready a pod takes five."""
INTERVAL: Final = timedelta(seconds=10)
"""Between two further writes."""


@dataclass(slots=True)
class _Writes:
    """The writes about one subject: a spec and a pod."""

    subject: Hashable
    count: int
    last: datetime


class StatusRate:
    """The writes of all environments."""

    def __init__(self) -> None:
        self._writes: dict[Key, _Writes] = {}

    def wait(self, key: Key, subject: Hashable, now: datetime) -> float | None:
        """Seconds until the status may be written; None if it may be now. Another spec or pod begins anew."""
        known = self._writes.get(key)
        if known is None or known.subject != subject or known.count < FREE_WRITES:
            return None
        left = min(known.last + INTERVAL - now, INTERVAL).total_seconds()
        return left if left > 0 else None

    def written(self, key: Key, subject: Hashable, now: datetime) -> None:
        """The status was written."""
        known = self._writes.get(key)
        same = known is not None and known.subject == subject
        self._writes[key] = _Writes(subject, known.count + 1 if same and known is not None else 1, now)

    def forget(self, key: Key) -> None:
        """The environment is gone."""
        self._writes.pop(key, None)
