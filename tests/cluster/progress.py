"""What the user sees while something long goes on: what it is, how far it is, how long it took.

Everything goes to stderr: stdout carries only what a verb was asked for (a path).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# Often enough to show life, rarely enough that a CI log of a seven-minute build stays short.
HEARTBEAT_SECONDS = 20.0


class ClusterError(Exception):
    """Something the user can act on. The text says what is wrong, where, and what to do; no traceback is shown."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def heartbeat_line(title: str, elapsed: float, usual: float | None) -> str:
    """One line of progress. `usual` is how long the step takes on two cores, in seconds."""
    if usual is None:
        return f"    … {title}: {elapsed:.0f} s so far"
    share = min(99, int(100 * elapsed / usual))
    return f"    … {title}: {elapsed:.0f} s of about {usual:.0f} s ({share} %)"


@contextmanager
def step(title: str, usual: float | None = None) -> Iterator[None]:
    """Announces a step, reports while it runs, and says how long it took, also when it failed."""
    say(f"==> {title}")
    start = time.monotonic()
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            say(heartbeat_line(title, time.monotonic() - start, usual))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    outcome = "failed after"
    try:
        yield
        outcome = "done in"
    finally:
        done.set()
        thread.join()
        say(f"    {outcome} {time.monotonic() - start:.1f} s")
