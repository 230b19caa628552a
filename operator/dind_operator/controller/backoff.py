"""The delay before a failed pod is created again. Its state is in status, so that it survives restarts of the operator."""

from datetime import timedelta

MAX_DELAY = timedelta(minutes=5)
"""The kubelet has the same maximum for restarts of a container."""
RECOVERED_AFTER = timedelta(minutes=10)
"""The count starts again after a pod was ready for this time, as with the kubelet."""


def next_count(previous: int, ready_for: timedelta | None) -> int:
    """The number of pods that failed in a row. ``ready_for`` is how long the last one was ready, None if it never was."""
    recovered = ready_for is not None and ready_for >= RECOVERED_AFTER
    return 1 if recovered else previous + 1


def delay(count: int, first: timedelta) -> timedelta:
    """The first delay, doubled with each pod that failed in a row, up to 5 minutes."""
    doublings = min(max(count, 1) - 1, 10)
    return min(first * int(2**doublings), MAX_DELAY)
