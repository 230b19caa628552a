"""Tests of timers on a clock that jumps: nothing waits, and no load of the machine changes what a test sees."""

from __future__ import annotations

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock


class _Jump(selectors.DefaultSelector):
    """Where the event loop would sleep until its next timer, the time of that timer has come at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:  # no timer: only input can go on
            return super().select(None)
        found = super().select(0)
        if not found:
            self.now += max(0.0, timeout)
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        return self._jump.now


Test = Callable[[], Awaitable[None]]


def in_virtual_time(module: ModuleType) -> Callable[[Test], Callable[[], None]]:
    """A decorator for tests of a module that reads ``time.monotonic()``. The clock begins at 0 and is exact."""

    def decorate(test: Test) -> Callable[[], None]:
        @functools.wraps(test)
        def run() -> None:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                clock = SimpleNamespace(monotonic=runner.get_loop().time)
                with mock.patch.object(module, "time", clock):
                    runner.run(test())  # type: ignore[arg-type]

        return run

    return decorate
