"""A node that does not answer costs a bounded share of the workers, for a bounded time, and nothing of other nodes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from tests.unit.manager.virtual_time import in_virtual_time
from tests.unit.objects import environment, observed, running_pod

from dind_operator.controller import log_budget
from dind_operator.controller.actions import NOTHING
from dind_operator.controller.api_errors import ClusterError, ErrorClass
from dind_operator.controller.log_budget import (
    BUSY_SECONDS,
    FIRST_PAUSE,
    JITTER,
    MAX_PAUSE,
    READ_SECONDS,
    SLOW_SECONDS,
    LogBudget,
    LogNotReadError,
    LogRead,
)
from dind_operator.controller.observe import REPORT_POLL_SECONDS, Reader
from dind_operator.manager.workqueue import WorkQueue
from dind_operator.state.cluster import Key

virtual = in_virtual_time(log_budget)
SLOTS, WORKERS, PODS = 8, 32, 150


@contextmanager
def not_read(seconds: float) -> Iterator[None]:
    """The log is not read, and is to be tried again after that time and a little more."""
    with pytest.raises(LogNotReadError) as told:
        yield
    assert seconds <= told.value.seconds <= seconds * (1 + JITTER)


async def answer() -> str:
    return "log"


async def hang() -> str:
    await asyncio.Event().wait()
    raise AssertionError("nothing ends this wait")


def failing(after: float) -> Callable[[], Awaitable[str]]:
    async def fail() -> str:
        await asyncio.sleep(after)
        raise ClusterError(ErrorClass.RETRY, "no route to host")

    return fail


@virtual
async def test_a_read_ends_after_seconds_and_the_node_is_left_alone_for_longer_each_time() -> None:
    counted: Counter[LogRead] = Counter()
    budget, now = LogBudget(SLOTS, lambda result: counted.update([result])), asyncio.get_running_loop().time
    pause = FIRST_PAUSE
    for _ in range(7):
        begin = now()
        with not_read(pause):
            await budget.read("dead", hang)
        assert now() - begin == READ_SECONDS
        with not_read(pause):
            await budget.read("dead", answer)
        assert await budget.read("other", answer) == "log"
        await asyncio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)
    assert pause == MAX_PAUSE
    assert counted == {LogRead.OK: 7, LogRead.FAILED: 7, LogRead.SKIPPED: 7}
    assert await budget.read("dead", answer) == "log"
    with not_read(FIRST_PAUSE):
        await budget.read("dead", hang)


@virtual
async def test_a_slow_failure_is_one_of_the_node_and_a_quick_one_of_the_container() -> None:
    budget = LogBudget()
    for _ in range(3):
        with pytest.raises(ClusterError):
            await budget.read("node", failing(SLOW_SECONDS / 2))
    with not_read(FIRST_PAUSE):
        await budget.read("node", failing(SLOW_SECONDS * 2))


@virtual
async def test_one_read_finds_out_whether_the_node_answers_again_and_the_others_wait_for_it() -> None:
    budget = LogBudget()
    with not_read(FIRST_PAUSE):
        await budget.read("dead", hang)
    await asyncio.sleep(FIRST_PAUSE)
    first = asyncio.create_task(budget.read("dead", hang))
    await asyncio.sleep(0)
    with not_read(READ_SECONDS):
        await budget.read("dead", hang)
    with not_read(2 * FIRST_PAUSE):
        await first


@virtual
async def test_one_node_takes_half_of_the_slots_and_of_its_failures_at_the_same_time_one_counts() -> None:
    budget = LogBudget(SLOTS)
    reads = [asyncio.create_task(budget.read("dead", hang)) for _ in range(PODS)]
    await asyncio.sleep(0)
    assert sum(not read.done() for read in reads) == SLOTS // 2
    with not_read(BUSY_SECONDS):
        await budget.read("dead", answer)
    assert await budget.read("other", answer) == "log"
    more = [asyncio.create_task(budget.read("also dead", hang)) for _ in range(PODS)]
    await asyncio.sleep(0)
    assert sum(not read.done() for read in more) == SLOTS // 2
    with not_read(BUSY_SECONDS):
        await budget.read("other", answer)
    await asyncio.gather(*reads, *more, return_exceptions=True)
    assert await budget.read("other", answer) == "log"
    with not_read(FIRST_PAUSE):
        await budget.read("dead", answer)


@virtual
async def test_nodes_that_are_gone_are_forgotten() -> None:
    budget = LogBudget()
    for number in range(50):
        with pytest.raises(LogNotReadError):
            await budget.read(f"node-{number}", hang)
        await asyncio.sleep(MAX_PAUSE)
    assert len(budget._paused) < 5
    assert not budget._reading


class Dead:
    """A cluster whose reads of logs hang, and the number of those at the same time; and the view, which keeps nothing."""

    def __init__(self) -> None:
        self.reads = self.most = self.begun = 0

    async def node(self, name: str) -> None:
        return None

    async def daemon_log_head(self, key: Key) -> str:
        self.reads, self.begun = self.reads + 1, self.begun + 1
        self.most = max(self.most, self.reads)
        try:
            return await hang()
        finally:
            self.reads -= 1


@virtual
async def test_a_dead_kubelet_with_many_pods_leaves_workers_for_everyone_else() -> None:
    """Until the node is known to be dead, half of the slots wait for it, once; nobody else waits."""
    dead, queue, now = Dead(), WorkQueue(), asyncio.get_running_loop().time
    reader = Reader(dead, dead, logs=LogBudget(SLOTS), volume_seconds=0)  # type: ignore[arg-type]
    ended: dict[Key, float] = {}
    waits: list[float] = []

    async def work(key: Key) -> None:
        if key[0] == "dead":
            found = await reader.observe(key, observed(environment(), running_pod()))
            wait = reader.requeue_after(key, found, NOTHING)
            assert wait is not None
            waits.append(wait)
            queue.add_after(key, wait)
        ended[key] = now()
        queue.succeed(key)

    with mock.patch("dind_operator.manager.workqueue.time", mock.Mock(monotonic=now)):
        running = asyncio.create_task(queue.run(WORKERS, work))
        for number in range(PODS):
            queue.add(("dead", f"pod-{number}"))
        for number in range(100):
            queue.add(("elsewhere", f"new-{number}"))
            await asyncio.sleep(0.3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    others = [key for key in ended if key[0] == "elsewhere"]
    assert len(others) == 100
    assert [ended[key] - 0.3 * int(key[1].removeprefix("new-")) for key in others] == pytest.approx([0.0] * 100)
    assert dead.most == SLOTS // 2
    assert dead.begun == SLOTS // 2 + 1  # and one to see whether it answers again, after the pause
    assert min(waits) >= BUSY_SECONDS
    assert max(waits) > REPORT_POLL_SECONDS
