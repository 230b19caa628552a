"""Records Events about environments: equal ones are one Event with a count, and an environment has a bounded number of them.

As client-go's recorder does, with its numbers. What is known is kept in memory: after a restart, Events start anew.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from dind_operator.api import names
from dind_operator.api.conditions import format_time
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.state.cluster import Event

COMPONENT = names.LABEL_MANAGED_BY_VALUE
SERIES: Final = timedelta(minutes=10)
"""An Event that is equal to one of the last ten minutes raises its count."""
BURST: Final = 25
REFILL: Final = timedelta(minutes=5)
"""An environment can have so many Events with one reason at once, and then one more in each such time. Further ones are dropped: the
status has the same words."""
MAX_REMEMBERED: Final = 4096
"""Entries of either kind. What was forgotten is recorded as a new Event, or has its whole number again."""

Call = Callable[..., Awaitable[dict[str, Any]]]
"""Of the client: method, path, and ``body`` (and ``content_type``) by name. Raises ClusterError."""
MERGE_PATCH: Final = "application/merge-patch+json"


@dataclass(slots=True)
class _Recorded:
    """An Event in the API server."""

    name: str
    count: int
    last: datetime


@dataclass(slots=True)
class _Budget:
    """How many Events an environment may still have, at a time."""

    left: float
    at: datetime


class EventRecorder:
    """Records Events of all environments."""

    def __init__(self, call: Call, clock: Callable[[], datetime]) -> None:
        self._call = call
        self._clock = clock
        self._recorded: OrderedDict[tuple[str, str, int], _Recorded] = OrderedDict()
        self._budgets: OrderedDict[tuple[str, str], _Budget] = OrderedDict()

    async def record(self, environment: dict[str, Any], event: Event) -> None:
        """Record it, or raise the count of an equal one. Raises ClusterError."""
        now, metadata = self._clock(), environment["metadata"]
        if not self._admitted((metadata["uid"], event.reason), now):
            return
        key = metadata["uid"], event.reason, hash(event.message)
        path = f"/api/v1/namespaces/{metadata['namespace']}/events"
        known = self._recorded.get(key)
        if known is not None and now - known.last < SERIES and await self._count(path, known, now):
            return
        stored = await self._call("POST", path, body=event_of(environment, event, now))
        _remember(self._recorded, key, _Recorded(stored["metadata"]["name"], 1, now))

    async def _count(self, path: str, known: _Recorded, now: datetime) -> bool:
        """Whether the Event was still there to be counted."""
        body = {"count": known.count + 1, "lastTimestamp": format_time(now)}
        try:
            await self._call("PATCH", f"{path}/{known.name}", body=body, content_type=MERGE_PATCH)
        except ClusterError as error:
            if error.error_class is ErrorClass.NOT_FOUND:
                return False
            raise
        known.count, known.last = known.count + 1, now
        return True

    def _admitted(self, subject: tuple[str, str], now: datetime) -> bool:
        budget = self._budgets.get(subject) or _Budget(BURST, now)
        left = min(budget.left + max(now - budget.at, timedelta(0)) / REFILL, BURST)
        _remember(self._budgets, subject, _Budget(left - 1 if left >= 1 else left, now))
        return left >= 1


def _remember(known: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    known[key] = value
    known.move_to_end(key)
    if len(known) > MAX_REMEMBERED:
        known.popitem(last=False)


def event_of(environment: dict[str, Any], event: Event, moment: datetime) -> dict[str, Any]:
    """The manifest. The API server generates its name."""
    metadata = environment["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata.get("resourceVersion"),
        },
        "reason": event.reason,
        "message": event.message[:1024],  # the limit of the API server
        "type": "Warning" if event.warning else "Normal",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": format_time(moment),
        "lastTimestamp": format_time(moment),
        "count": 1,
    }
