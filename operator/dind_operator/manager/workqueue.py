"""A deduplicating work queue with a backoff for each key, as in client-go.

The queue contains each key at most once, and at most one worker processes a key at a time. A key that is added while a worker
processes it is processed again afterwards, so no change is lost.

Keys of one namespace take at most half of the workers, so that a namespace in which every call hangs, such as one with a webhook that
does not respond, does not hold up the others.
"""

import asyncio
import contextlib
import heapq
import itertools
import random
import time
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable

from dind_operator.state.cluster import Key

FIRST_BACKOFF = 0.25
MAX_BACKOFF = 45.0
"""With the jitter less than a minute, which an environment whose reconciliation fails may exceed its time to live."""
JITTER = 0.2
"""The relative jitter of the backoff, which spreads the retries after an outage of the API server."""


class WorkQueue:
    """Keys to process, now or later. Times are in seconds of the monotonic clock."""

    def __init__(self) -> None:
        self._ready: OrderedDict[Key, float] = OrderedDict()
        self._held: dict[str, OrderedDict[Key, float]] = {}
        """By namespace: ready keys that wait until fewer workers process keys of their namespace."""
        self._active: dict[Key, float] = {}
        self._active_in: Counter[str] = Counter()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._timer_wake = asyncio.Event()

    def add(self, key: Key) -> None:
        """Queue ``key``."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._ready and key not in self._held.get(key[0], ()):
            self._ready[key] = time.monotonic()
            self._wake.set()

    def add_after(self, key: Key, delay: float) -> None:
        """Queue ``key`` in ``delay`` seconds. An earlier time that was set before is kept."""
        due = time.monotonic() + delay
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._order), key))
        self._timer_wake.set()

    def fail(self, key: Key) -> float:
        """Queue ``key`` after its backoff. Returns the delay."""
        count = self._failures[key] = self._failures.get(key, 0) + 1
        delay: float = min(FIRST_BACKOFF * 2 ** min(count - 1, 16), MAX_BACKOFF)
        delay *= 1 + random.uniform(-JITTER, JITTER)  # noqa: S311 - not for security
        self.add_after(key, delay)
        return delay

    def succeed(self, key: Key) -> None:
        """Reset the backoff of ``key``."""
        self._failures.pop(key, None)

    @property
    def depth(self) -> int:
        """The number of keys that wait for a worker."""
        return len(self._ready) + sum(map(len, self._held.values()))

    def oldest_wait(self, *, held: bool = True) -> float:
        """Seconds for which the first key in the queue has waited for a worker; 0 if the queue is empty.

        Without ``held``, keys that only wait for other keys of their namespace do not count.
        """
        queues = [self._ready, *(self._held.values() if held else ())]
        return time.monotonic() - min(next(iter(queue.values())) for queue in queues if queue) if any(queues) else 0.0

    def longest_work(self) -> float:
        """Seconds for which the slowest worker has been processing its key; 0 if all workers are idle."""
        return time.monotonic() - min(self._active.values()) if self._active else 0.0

    async def run(self, workers: int, work: Callable[[Key], Awaitable[None]]) -> None:
        """Run until cancelled. ``work`` must not raise, and must call ``fail`` or ``succeed``."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._timer(), name="queue-timer")
            share = max(1, workers // 2)
            for number in range(workers):
                group.create_task(self._worker(work, share), name=f"queue-worker-{number}")

    def _take(self, share: int) -> Key | None:
        """The first key whose namespace has less than its share of the workers."""
        while self._ready:
            key, since = self._ready.popitem(last=False)
            if self._active_in[key[0]] < share:
                self._active[key] = time.monotonic()
                self._active_in[key[0]] += 1
                return key
            self._held.setdefault(key[0], OrderedDict())[key] = since
        return None

    def _done(self, key: Key) -> None:
        """The worker of the key is free, and so is a place for the next key of its namespace."""
        namespace = key[0]
        del self._active[key]
        self._active_in[namespace] -= 1
        if not self._active_in[namespace]:
            del self._active_in[namespace]
        if held := self._held.get(namespace):
            following, since = held.popitem(last=False)
            if not held:
                del self._held[namespace]
            self._ready[following] = since
            self._ready.move_to_end(following, last=False)
            self._wake.set()

    async def _worker(self, work: Callable[[Key], Awaitable[None]], share: int) -> None:
        while True:
            while (key := self._take(share)) is None:
                self._wake.clear()
                await self._wake.wait()
            try:
                await work(key)
            finally:
                self._done(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    async def _timer(self) -> None:
        while True:
            self._timer_wake.clear()
            now = time.monotonic()
            while self._heap and self._heap[0][0] <= now:
                due, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == due:
                    del self._due[key]
                    self.add(key)
            timeout = self._heap[0][0] - now if self._heap else None
            # Not wait_for(): before Python 3.12 it can swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._timer_wake.wait()
