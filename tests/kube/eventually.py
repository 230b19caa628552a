"""Looking again and again, for what no watch tells of: the inside of a container, a file, a connection."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.kube.api import NotSeenError

T = TypeVar("T")


def eventually(
    look: Callable[[], T], what: str, seconds: float = 60, story: Callable[[], str] | None = None, pause: float = 0.3
) -> T:
    """Looks until it sees something true and returns that. Raises NotSeenError with the story."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise NotSeenError(f"not seen within {seconds:.0f} s: {what}\n{story() if story else ''}")
        time.sleep(pause)
    return seen
