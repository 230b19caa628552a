"""When a failed pod may be made again. The state is in status, so that it survives restarts of the operator."""

from datetime import timedelta

MAX_DELAY = timedelta(minutes=5)
"""The kubelet's own cap for restarts of a container."""
RECOVERED_AFTER = timedelta(minutes=10)
"""As with the kubelet: a pod that was well for so long starts the count anew."""


def next_count(previous: int, ready_for: timedelta | None) -> int:
    """How many pods in a row have failed now; ``ready_for`` is how long the last one was ready, None if it never was."""
    recovered = ready_for is not None and ready_for >= RECOVERED_AFTER
    return 1 if recovered else previous + 1


def delay(count: int, first: timedelta) -> timedelta:
    """Once, twice, four times the first … to 5 minutes, by how many pods in a row have failed."""
    doublings = min(max(count, 1) - 1, 10)
    return min(first * int(2**doublings), MAX_DELAY)
