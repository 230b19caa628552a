"""The queue: each key once, never two workers at one, nothing lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.unit.manager.virtual_time import in_virtual_time

from dind_operator.manager import workqueue as module
from dind_operator.manager.workqueue import FIRST_BACKOFF, JITTER, MAX_BACKOFF, WorkQueue
from dind_operator.state.cluster import Key

A, B = ("ns", "a"), ("ns", "b")


@contextlib.asynccontextmanager
async def working(queue: WorkQueue, work: Callable[[Key], Awaitable[None]], workers: int = 4) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run(workers, work))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def idle(queue: WorkQueue) -> None:
    async with asyncio.timeout(10):
        while queue.depth or queue.longest_work() or queue._due:  # noqa: ASYNC110 - a queue tells nobody when it is empty
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)


@in_virtual_time(module)
async def test_a_key_added_many_times_is_worked_on_once() -> None:
    queue, seen = WorkQueue(), Counter[Key]()

    async def work(key: Key) -> None:
        seen[key] += 1

    for _ in range(100):
        queue.add(A)
        queue.add(B)
    assert queue.depth == 2
    async with working(queue, work):
        await idle(queue)
    assert seen == {A: 1, B: 1}


@in_virtual_time(module)
async def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more() -> None:
    queue, begun, go = WorkQueue(), 0, asyncio.Event()

    async def work(_: Key) -> None:
        nonlocal begun
        begun += 1
        await go.wait()

    queue.add(A)
    async with working(queue, work):
        await asyncio.sleep(0.01)
        for _ in range(10):
            queue.add(A)
        assert begun == 1, "two workers at one key"
        go.set()
        await idle(queue)
    assert begun == 2


@in_virtual_time(module)
async def test_under_concurrency_nothing_is_lost_and_no_key_has_two_workers() -> None:
    queue, busy = WorkQueue(), set[Key]()
    wanted: dict[Key, int] = {}
    done: dict[Key, int] = {}
    chance = random.Random(7)

    async def work(key: Key) -> None:
        assert key not in busy
        busy.add(key)
        version = wanted[key]
        await asyncio.sleep(chance.random() / 1000)
        done[key] = version
        busy.discard(key)
        if chance.random() < 0.1:
            queue.fail(key)
        else:
            queue.succeed(key)

    async with working(queue, work, workers=8):
        for step in range(2000):
            key = ("ns", str(chance.randrange(30)))
            wanted[key] = step
            queue.add(key) if chance.random() < 0.7 else queue.add_after(key, chance.random() / 100)
            if step % 10 == 0:
                await asyncio.sleep(0)
        await idle(queue)
    assert done == wanted


@in_virtual_time(module)
async def test_the_earliest_of_several_times_wins() -> None:
    queue, times = WorkQueue(), list[float]()
    start = asyncio.get_running_loop().time()

    async def work(_: Key) -> None:
        times.append(asyncio.get_running_loop().time() - start)

    async with working(queue, work):
        queue.add_after(A, 30)
        queue.add_after(A, 0.05)
        queue.add_after(A, 20)
        await asyncio.sleep(0.2)
    assert len(times) == 1
    assert 0.04 < times[0] < 0.2


@in_virtual_time(module)
async def test_an_earlier_time_wakes_a_timer_that_sleeps_for_a_later_one() -> None:
    queue, seen = WorkQueue(), list[Key]()

    async def work(key: Key) -> None:
        seen.append(key)

    async with working(queue, work):
        queue.add_after(A, 30)
        await asyncio.sleep(0.02)
        queue.add_after(B, 0.01)
        await asyncio.sleep(0.1)
    assert seen == [B]


def test_backoff_doubles_with_jitter_to_a_minute_and_success_forgets_it() -> None:
    queue = WorkQueue()
    for count in range(14):
        expected = min(FIRST_BACKOFF * 2**count, MAX_BACKOFF)
        assert queue.fail(A) == pytest.approx(expected, rel=JITTER + 1e-9)
    queue.succeed(A)
    assert queue.fail(A) == pytest.approx(FIRST_BACKOFF, rel=JITTER + 1e-9)


def test_a_very_long_outage_overflows_nothing() -> None:
    queue = WorkQueue()
    assert all(queue.fail(A) <= MAX_BACKOFF * (1 + JITTER) for _ in range(5000))


@in_virtual_time(module)
async def test_its_age_and_the_slowest_work_are_told() -> None:
    queue = WorkQueue()
    assert (queue.oldest_wait(), queue.longest_work(), queue.depth) == (0.0, 0.0, 0)
    queue.add(A)
    await asyncio.sleep(0.02)
    assert queue.oldest_wait() >= 0.02

    async def work(_: Key) -> None:
        await asyncio.sleep(30)

    async with working(queue, work):
        await asyncio.sleep(0.03)
        assert queue.longest_work() >= 0.02
        assert queue.oldest_wait() == 0.0


@in_virtual_time(module)
async def test_cancelling_ends_all_workers() -> None:
    queue = WorkQueue()

    async def work(_: Key) -> None:
        await asyncio.sleep(30)

    before = len(asyncio.all_tasks())
    queue.add(A)
    async with working(queue, work, workers=16):
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) > before
    assert len(asyncio.all_tasks()) == before


@in_virtual_time(module)
async def test_a_namespace_in_which_everything_hangs_takes_half_of_the_workers() -> None:
    """And what waits there for its turn is not what makes the operator restart; all of it has its turn, the oldest first."""
    queue, hung, others, go = WorkQueue(), list[Key](), list[Key](), asyncio.Event()

    async def work(key: Key) -> None:
        if key[0] == "hangs":
            hung.append(key)
            await go.wait()
        else:
            others.append(key)

    keys = [("hangs", f"env-{number}") for number in range(100)]
    async with working(queue, work, workers=8):
        for key in keys:
            queue.add(key)
        await asyncio.sleep(1)
        queue.add(A)
        for key in keys:
            queue.add(key)
        await asyncio.sleep(1)
        assert hung == keys[:4]
        assert others == [A]
        assert queue.depth == 96
        assert (queue.oldest_wait(), queue.oldest_wait(held=False)) == (2, 0)
        go.set()
        await idle(queue)
    assert hung[:100] == keys
    assert sorted(hung[100:]) == keys[:4], "what was added while it was worked on, once more"
    assert not queue._held
    assert not queue._active_in


@in_virtual_time(module)
async def test_with_one_worker_every_namespace_has_its_turn() -> None:
    queue, seen = WorkQueue(), list[Key]()

    async def work(key: Key) -> None:
        seen.append(key)
        await asyncio.sleep(1)

    async with working(queue, work, workers=1):
        for key in (A, B, ("other", "a")):
            queue.add(key)
        await idle(queue)
    assert seen == [A, B, ("other", "a")]
