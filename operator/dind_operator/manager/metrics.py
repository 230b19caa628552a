"""Prometheus metrics of the operator. Their names and labels are a public API, which docs/operations.md documents."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dind_operator.api.status import Phase
from dind_operator.controller.log_budget import LogRead
from dind_operator.state import pod_status as pods

RECONCILE_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
STARTUP_BUCKETS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 30.0, 60.0, 120.0, 300.0)
_STEPS = ("PodScheduled", "Initialized", "Ready")
"""The conditions of a starting pod: values of the label ``step``."""


class Metrics:
    """All metrics, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.reconciles = Counter(
            "dind_operator_reconciles", "Number of reconciliations by result.", ["result"], registry=self.registry
        )
        self.errors = Counter(
            "dind_operator_reconcile_errors",
            "Number of failed reconciliations by class of error.",
            ["class"],
            registry=self.registry,
        )
        self.misfits = Counter(
            "dind_operator_status_misfits",
            "Number of statuses that did not fit their schema or that the API server rejected, and of which less was written.",
            registry=self.registry,
        )
        self._log_reads = Counter(
            "dind_operator_log_reads",
            "Number of reads of the daemons' logs by result.",
            ["result"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "dind_operator_reconcile_seconds",
            "Duration of successful reconciliations in seconds.",
            buckets=RECONCILE_BUCKETS,
            registry=self.registry,
        )
        self.startup = Histogram(
            "dind_operator_startup_seconds",
            "Time from the creation of the environment (first pod) or of the pod (later pods) to each step of the start, in seconds.",
            ["step"],
            buckets=STARTUP_BUCKETS,
            registry=self.registry,
        )
        self.leader = Gauge(
            "dind_operator_leader", "Whether this replica is the leader (1) or a standby (0).", registry=self.registry
        )

    def log_read(self, result: LogRead) -> None:
        """Count a read of a log."""
        self._log_reads.labels(result.value).inc()

    def watch_queue(self, depth: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Add the metrics of the queue, which are read at each scrape."""
        waiting = Gauge(
            "dind_operator_queue_depth", "Number of environments that wait for a worker.", registry=self.registry
        )
        waiting.set_function(depth)
        age = Gauge(
            "dind_operator_queue_oldest_seconds",
            "Time for which the first environment in the queue has waited, in seconds.",
            registry=self.registry,
        )
        age.set_function(oldest)

    def watch_environments(self, statuses: Callable[[], Iterable[dict[str, Any]]]) -> None:
        """Add the number of environments by phase, which is computed at each scrape."""
        self.registry.register(_Phases(statuses))

    def pod_became_ready(self, pod: dict[str, Any], created: str | None) -> None:
        """Record the steps of the start of a pod. ``created`` is the beginning (RFC 3339)."""
        begin = _time(created)
        for step in _STEPS:
            reached = _time(pods.condition(pod, step).get("lastTransitionTime"))
            if begin is not None and reached is not None:
                self.startup.labels(step).observe(max(0.0, (reached - begin).total_seconds()))


class _Phases(Collector):
    def __init__(self, statuses: Callable[[], Iterable[dict[str, Any]]]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterator[Metric]:
        """One gauge with a sample for each phase, including zeros."""
        tally = Tally(str(status.get("phase") or Phase.PENDING.value) for status in self._statuses())
        family = GaugeMetricFamily("dind_operator_environments", "Number of environments by phase.", labels=["phase"])
        for phase in Phase:
            family.add_metric([phase.value], tally[phase.value])
        yield family


def _time(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
