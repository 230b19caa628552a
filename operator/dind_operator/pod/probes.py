"""Probes of the Docker daemon: the static helper sends requests to the socket.

The kubelet starts the startup probe once a second at most, so the helper repeats its request for most of that second, and the
daemon is ready as soon as it responds. The other probes are slow and have long timeouts: an exec probe starts a process, and on a
busy node a short timeout would kill a running build.
"""

from dataclasses import dataclass
from typing import Any

from dind_operator.api.spec import ProbesSpec, ProbeTuning
from dind_operator.pod.variables import SOCKET


@dataclass(frozen=True, slots=True)
class _Probe:
    period: int
    timeout: int
    threshold: int


STARTUP = _Probe(period=1, timeout=5, threshold=300)
"""Five minutes: the daemon reads and migrates a large /var/lib/docker before it responds."""
READINESS = _Probe(period=10, timeout=10, threshold=3)
LIVENESS = _Probe(period=30, timeout=25, threshold=10)
"""Five minutes without a response: longer than any delay that was observed with saturated cpu and disk."""

START_SECONDS = 0.1
"""The time that the runtime needs to start a probe: 60 ms on an idle machine."""


def probes(spec: ProbesSpec, *, after: str | None = None) -> dict[str, Any]:
    """``startupProbe``, ``readinessProbe`` and ``livenessProbe`` of the daemon's container.

    ``after``: a file without which the daemon is not ready. Only the readiness probe checks it, because a slow step must not
    restart the container.
    """
    return {
        "startupProbe": _probe(STARTUP, spec.startup, waits=True),
        "readinessProbe": _probe(READINESS, spec.readiness, waits=after is not None, after=after),
        "livenessProbe": _probe(LIVENESS, spec.liveness),
    }


def _probe(
    default: _Probe, user: ProbeTuning | None, *, waits: bool = False, after: str | None = None
) -> dict[str, Any]:
    tuning = user or ProbeTuning()
    timeout = tuning.timeout_seconds or default.timeout
    period = tuning.period_seconds or default.period
    # The helper exits a second before the timeout of the kubelet, so that its message is reported.
    gives_up = max(1, timeout - 1)
    command = ["/dind/dind-node", "ping", "--timeout", str(gives_up)]
    if waits:
        # Less than the period, so that failures are counted once in each period.
        command += ["--wait", f"{min(period, gives_up) - START_SECONDS:.1f}"]
    if after is not None:
        command += ["--after", after]
    command.append(SOCKET)
    return {
        "exec": {"command": command},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": tuning.failure_threshold or default.threshold,
    }
