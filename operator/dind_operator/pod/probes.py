"""Probes on the nested daemon, by the static helper on the socket.

Startup asks all the time, so that a daemon is Ready as soon as it answers: the kubelet starts a probe once a second at most,
so the helper goes on asking for most of that second. After that, the probes are slow and patient: an
exec probe starts a process, and on a saturated node a quick one would kill a build that is only busy.
"""

from dataclasses import dataclass
from typing import Any

from dind_operator.api.spec import ProbesSpec, ProbeTuning


@dataclass(frozen=True, slots=True)
class _Probe:
    period: int
    timeout: int
    threshold: int


STARTUP = _Probe(period=1, timeout=5, threshold=300)
"""Five minutes: a large /var/lib/docker is read and migrated before the daemon answers."""
READINESS = _Probe(period=10, timeout=10, threshold=3)
LIVENESS = _Probe(period=30, timeout=25, threshold=10)
"""Five minutes without one answer: longer than any stall seen under saturated cpu and disk."""

START_SECONDS = 0.1
"""What the runtime takes to start a probe: 60 ms on an idle machine."""


def probes(spec: ProbesSpec, *, after: str | None = None) -> dict[str, Any]:
    """``startupProbe``, ``readinessProbe`` and ``livenessProbe`` of the daemon's container.

    ``after``: a file without which the daemon answers and is not ready. Neither of the other two asks for it: what takes
    its time must not end the container.
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
    # The helper gives up a second before the kubelet would kill it, so that its reason is reported.
    gives_up = max(1, timeout - 1)
    command = ["/dind/dind-helper", "ping", "--timeout", str(gives_up)]
    if waits:
        # Less than the period, so that failures are counted as often as the user asked for them.
        command += ["--wait", f"{min(period, gives_up) - START_SECONDS:.1f}"]
    if after is not None:
        command += ["--after", after]
    return {
        "exec": {"command": command},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": tuning.failure_threshold or default.threshold,
    }
