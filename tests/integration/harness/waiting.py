"""Waiting for what is to be seen, with a deadline. No test sleeps for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

DEADLINE_SECONDS = 60.0
"""Many times what anything here takes, but for the garbage collector: it looks for new kinds every 30 s. Only a test that
fails waits so long."""
INTERVAL_SECONDS = 0.02


class NotSeenError(AssertionError):
    """What was waited for did not come. The message says what was there instead."""


def until(
    look: Callable[[], T], what: str, *, seconds: float = DEADLINE_SECONDS, instead: Callable[[], object] | None = None
) -> T:
    """Look until the answer is true, and return it. Raises NotSeenError; `instead` tells what was there."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            seen = f"; instead: {instead()}" if instead is not None else ""
            raise NotSeenError(f"not seen within {seconds:.0f} s: {what}{seen}")
        time.sleep(INTERVAL_SECONDS)
