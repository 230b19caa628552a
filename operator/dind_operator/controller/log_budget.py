"""The share of the workers that may wait for logs: a node that does not answer must not hold up the environments of other nodes.

The API server reads a log from the kubelet of the node, and waits as long as the kubelet does not answer. So a read has a short
timeout, few reads run at the same time, fewer of one node, and after a slow failure no log of that node is read for a while.
No reconciliation waits for its turn: without one it goes on without the log, and comes back.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from dind_operator.controller.api_errors import ClusterError

READ_SECONDS = 5.0
"""A kubelet answers in milliseconds, a busy one in a second or two."""
SLOW_SECONDS = 1.0
"""A failure that took longer is one of the node. A quick one, such as of a container that does not run, costs nobody anything."""
BUSY_SECONDS = 0.5
"""Until a read that found no slot is tried again."""
FIRST_PAUSE = 10.0
MAX_PAUSE = 300.0
"""The pause after each slow failure of a node doubles from the first to the second, until a read succeeds."""
JITTER = 0.2
"""Spreads the environments of a node after a pause, so that not always the same one is the first to try."""


class LogRead(StrEnum):
    """What became of a read: values of the label ``result`` of the metric."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class LogNotReadError(Exception):
    """There was no turn, or the node does not answer. ``seconds``: when to try again."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds * random.uniform(1, 1 + JITTER)  # noqa: S311 - not for security


@dataclass(slots=True)
class _Pause:
    seconds: float
    since: float
    until: float


class LogBudget:
    """``slots``: the number of reads at the same time. ``count`` is called with what became of each read."""

    def __init__(self, slots: int = 8, count: Callable[[LogRead], None] = lambda _: None) -> None:
        self._slots = slots
        self._slots_of_node = max(1, slots // 2)
        self._count = count
        self._reading: Counter[str] = Counter()
        self._paused: dict[str, _Pause] = {}

    async def read(self, node: str, request: Callable[[], Awaitable[str]]) -> str:
        """The log from ``request``, a read from ``node``. Raises LogNotReadError, and the ClusterError of a quick failure."""
        self._take_turn(node)
        begin = time.monotonic()
        try:
            async with asyncio.timeout(READ_SECONDS):
                log = await request()
        except (ClusterError, TimeoutError) as error:
            self._count(LogRead.FAILED)
            if time.monotonic() - begin < SLOW_SECONDS:
                raise
            raise LogNotReadError(self._pause(node, begin)) from error
        else:
            self._count(LogRead.OK)
            self._paused.pop(node, None)
            return log
        finally:
            self._reading[node] -= 1
            if not self._reading[node]:
                del self._reading[node]

    def _take_turn(self, node: str) -> None:
        """Take a slot. Raises LogNotReadError if there is none, or while the node is paused."""
        now, pause = time.monotonic(), self._paused.get(node)
        if pause is not None and now < pause.until:
            self._count(LogRead.SKIPPED)
            raise LogNotReadError(pause.until - now)
        if self._reading.total() >= self._slots or self._reading[node] >= self._slots_of_node:
            self._count(LogRead.SKIPPED)
            raise LogNotReadError(BUSY_SECONDS)
        if pause is not None:
            # One read finds out whether the node answers again. The others wait for it.
            pause.until = now + READ_SECONDS
        self._reading[node] += 1

    def _pause(self, node: str, begin: float) -> float:
        """Pause the node after a read that began at ``begin`` failed; returns for how long."""
        now, before = time.monotonic(), self._paused.get(node)
        if before is not None and begin < before.since:
            return max(before.until - now, BUSY_SECONDS)  # of reads that failed at the same time the first one counts
        seconds = FIRST_PAUSE if before is None else min(2 * before.seconds, MAX_PAUSE)
        # Nothing else tells that a node was deleted.
        self._paused = {name: pause for name, pause in self._paused.items() if now < pause.until + MAX_PAUSE}
        self._paused[node] = _Pause(seconds, now, now + seconds)
        return seconds
