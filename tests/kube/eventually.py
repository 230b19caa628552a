"""Polls a state that no watch reports: the inside of a container, a file, a connection, this process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from tests.kube.api import NotSeenError

T = TypeVar("T")

# A look within the process costs nothing; one into a container starts a program there, so the pauses grow with the wait.
_SHORTEST_SECONDS = 0.02
_SHARE = 0.1


def eventually(
    look: Callable[[], T],
    what: str,
    seconds: float = 60,
    story: Callable[[], object] | None = None,
    pause: float = 0.3,
) -> T:
    """Looks until it sees something true and returns that. Raises NotSeenError with the story.

    A pause is a tenth of the time waited so far, and at most `pause`.
    """
    start = time.monotonic()
    while not (seen := look()):
        waited = time.monotonic() - start
        if waited > seconds:
            raise NotSeenError(f"not seen within {seconds:.0f} s: {what}\n{story() if story else ''}")
        time.sleep(min(pause, max(_SHORTEST_SECONDS, waited * _SHARE)))
    return seen
