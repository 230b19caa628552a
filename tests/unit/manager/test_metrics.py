"""Metrics: their names are an interface, and the documentation lists every one."""

from pathlib import Path
from typing import Any

from prometheus_client import generate_latest
from tests.unit.objects import running_pod

from dind_operator.api.status import Phase
from dind_operator.manager.metrics import Metrics

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"


def metrics(statuses: list[dict[str, Any]] | None = None) -> Metrics:
    made = Metrics()
    made.watch_queue(lambda: 3, lambda: 1.5)
    made.watch_environments(lambda: statuses or [])
    return made


def test_environments_are_counted_by_phase_zeros_included() -> None:
    found = metrics([{"phase": "Running"}, {"phase": "Running"}, {"phase": "Failed"}, {}])
    values = {phase: found.registry.get_sample_value("dind_operator_environments", {"phase": phase}) for phase in Phase}
    assert values == dict.fromkeys(Phase, 0) | {Phase.RUNNING: 2, Phase.FAILED: 1, Phase.PENDING: 1}


def test_the_queue_is_read_at_each_scrape() -> None:
    found = metrics()
    assert found.registry.get_sample_value("dind_operator_queue_depth") == 3
    assert found.registry.get_sample_value("dind_operator_queue_oldest_seconds") == 1.5


def test_each_step_of_a_start_is_measured_from_the_creation() -> None:
    found = metrics()
    found.pod_became_ready(running_pod(), "2025-06-01T11:58:00Z")
    assert found.registry.get_sample_value("dind_operator_startup_seconds_sum", {"step": "Ready"}) == 70.0
    assert found.registry.get_sample_value("dind_operator_startup_seconds_count", {"step": "PodScheduled"}) == 1


def test_a_start_with_unknown_times_is_not_measured() -> None:
    found, pod = metrics(), running_pod()
    pod["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": "soon"}]
    found.pod_became_ready(pod, "2025-06-01T11:58:00Z")
    found.pod_became_ready(running_pod(), None)
    assert found.registry.get_sample_value("dind_operator_startup_seconds_count", {"step": "Ready"}) is None


def test_the_documentation_lists_every_metric() -> None:
    text = OPERATIONS.read_text()
    names = [family.name for family in metrics().registry.collect() if family.name.startswith("dind_")]
    assert len(names) >= 8
    assert [name for name in names if name not in text] == []


def test_two_operators_in_one_process_do_not_share_counters() -> None:
    one, other = metrics(), metrics()
    one.reconciles.labels("ok").inc()
    assert b'dind_operator_reconciles_total{result="ok"} 1.0' in generate_latest(one.registry)
    assert b"result=" not in generate_latest(other.registry)
